package chain

import "encoding/json"

// AppendBlock appends the block as eth_getBlockByNumber gives it, with full
// transactions or their hashes.
func (b *Block) AppendBlock(out []byte, full bool) []byte {
	fields := blockFields
	if !full {
		fields = blockFieldsHashes
	}
	return appendObject(out, fields, b, &b.Object)
}

// AppendReceipts appends the array that eth_getBlockReceipts gives.
func (b *Block) AppendReceipts(out []byte) []byte {
	out = append(out, '[')
	logs := 0
	for i := range b.Transactions {
		if i > 0 {
			out = append(out, ',')
		}
		tx := &b.Transactions[i]
		v := &transactionView{block: b, tx: tx, index: i, logs: logs}
		out = appendObject(out, receiptFields, v, &tx.Receipt.Object)
		logs += len(tx.Receipt.Logs)
	}
	return append(out, ']')
}

// AppendUncle appends uncle i as eth_getUncleByBlockHashAndIndex gives it.
func (b *Block) AppendUncle(out []byte, i int) []byte {
	return appendObject(out, uncleFields, &b.Uncles[i], &b.Uncles[i].Object)
}

func (b *Block) appendTransactions(out []byte) []byte {
	out = append(out, '[')
	for i := range b.Transactions {
		if i > 0 {
			out = append(out, ',')
		}
		tx := &b.Transactions[i]
		out = appendObject(out, transactionFields, &transactionView{block: b, tx: tx, index: i}, &tx.Object)
	}
	return append(out, ']')
}

func (b *Block) appendTransactionHashes(out []byte) []byte {
	out = append(out, '[')
	for i := range b.Transactions {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendBytes(out, b.Transactions[i].Hash[:])
	}
	return append(out, ']')
}

func (b *Block) appendWithdrawals(out []byte) []byte {
	if b.Withdrawals == nil {
		return nil
	}
	out = append(out, '[')
	for i := range b.Withdrawals {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendObject(out, withdrawalFields, &b.Withdrawals[i], &b.Withdrawals[i].Object)
	}
	return append(out, ']')
}

func (v *transactionView) appendLogs(out []byte) []byte {
	out = append(out, '[')
	for i := range v.tx.Receipt.Logs {
		if i > 0 {
			out = append(out, ',')
		}
		log := &v.tx.Receipt.Logs[i]
		view := &logView{transactionView: *v, log: log, logIndex: v.logs + i}
		out = appendObject(out, logFields, view, &log.Object)
	}
	return append(out, ']')
}

func (r *Receipt) appendBloom(out []byte) []byte {
	if r.LogsBloom == nil {
		return nil
	}
	return appendBytes(out, r.LogsBloom[:])
}

// EncodeAccessList gives the list's JSON, nil for a nil list.
func EncodeAccessList(l []AccessTuple) json.RawMessage { return encodeList(accessTupleFields, l) }

// DecodeAccessList reads what EncodeAccessList wrote.
func DecodeAccessList(raw json.RawMessage) ([]AccessTuple, error) {
	return decodeList(raw, accessTupleFields)
}

// EncodeAuthorizations gives the list's JSON, nil for a nil list.
func EncodeAuthorizations(l []Authorization) json.RawMessage {
	return encodeList(authorizationFields, l)
}

// DecodeAuthorizations reads what EncodeAuthorizations wrote.
func DecodeAuthorizations(raw json.RawMessage) ([]Authorization, error) {
	return decodeList(raw, authorizationFields)
}

func encodeList[E any](fields []field[E], l []E) json.RawMessage {
	if l == nil {
		return nil
	}
	return appendList(nil, fields, l)
}

func decodeList[E any](raw json.RawMessage, fields []field[E]) ([]E, error) {
	if raw == nil {
		return nil, nil
	}
	l, _, err := parseList(raw, fields)
	return l, err
}
