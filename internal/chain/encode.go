package chain

import (
	"encoding/json"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

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
		out = b.AppendReceipt(out, &b.Transactions[i], i, logs)
		logs += len(b.Transactions[i].Receipt.Logs)
	}
	return append(out, ']')
}

// AppendHeader appends the header as eth_getHeaderByNumber gives it: without
// what is of the block around it.
func (h *Header) AppendHeader(out []byte) []byte {
	return appendObject(out, hashedFields, h, &Object{Shape: h.Shape, Extra: h.extraOfHeader()})
}

// AppendHead appends the header as geth's newHeads subscription gives it, with
// null for what its fork does not have.
func (h *Header) AppendHead(out []byte) []byte {
	return appendObject(out, headFields, h, &Object{Extra: h.extraOfHeader()})
}

// extraOfHeader gives Extra without the keys that are of a block around a
// header.
func (h *Header) extraOfHeader() json.RawMessage {
	if h.Extra == nil {
		return nil
	}
	var keys map[string]json.RawMessage
	_ = json.Unmarshal(h.Extra, &keys) // an object always can be
	for _, key := range []string{"size", "totalDifficulty", "transactions", "uncles", "withdrawals"} {
		delete(keys, key)
	}
	extra, _ := json.Marshal(keys)
	return extra
}

// AppendTransaction appends a transaction as eth_getTransactionByHash gives it.
// Of the block only hash, number and timestamp are needed.
func (b *Block) AppendTransaction(out []byte, tx *Transaction, index int) []byte {
	return appendObject(out, transactionFields, &transactionView{block: b, tx: tx, index: index}, &tx.Object)
}

// AppendReceipt appends a transaction's receipt as eth_getTransactionReceipt
// gives it. firstLog is the log index of its first log; of the block only hash,
// number and timestamp are needed.
func (b *Block) AppendReceipt(out []byte, tx *Transaction, index, firstLog int) []byte {
	v := &transactionView{block: b, tx: tx, index: index, logs: firstLog}
	return appendObject(out, receiptFields, v, &tx.Receipt.Object)
}

// A LogPlace says where a log is: what its derived keys follow from.
type LogPlace struct {
	Block           *Header // hash, number and timestamp
	TransactionHash common.Hash
	Transaction     int // index
	Log             int // index in the block
	Removed         bool
}

// AppendLog appends a log as eth_getLogs gives it.
func (l *Log) AppendLog(out []byte, at *LogPlace) []byte {
	p := placedLogs.Get().(*placedLog)
	defer placedLogs.Put(p)
	p.block.Hash, p.block.Number, p.block.Timestamp = at.Block.Hash, at.Block.Number, at.Block.Timestamp
	p.tx.Hash = at.TransactionHash
	p.view = logView{transactionView{block: &p.block, tx: &p.tx, index: at.Transaction}, l, at.Log, at.Removed}
	p.object = l.Object
	if at.Removed {
		p.object.Shape &^= logRemoved // also where the node leaves it out
	}
	out = appendObject(out, logFields, &p.view, &p.object)
	p.view, p.object = logView{}, Object{}
	return out
}

// A placedLog is what a log is encoded from. It is kept for the next one: a block
// and a transaction are large, and answers have thousands of logs.
type placedLog struct {
	view   logView
	block  Block
	tx     Transaction
	object Object
}

var placedLogs = sync.Pool{New: func() any { return new(placedLog) }}

// logRemoved is the bit of removed in a log's Shape.
const logRemoved = 1 << 9

// FillBloom computes the receipt's bloom from its logs, if it has none that was
// stored because it is another one.
func (r *Receipt) FillBloom() {
	if r.LogsBloom == nil && r.Shape&receiptBloomAbsent == 0 {
		bloom := r.computeBloom()
		r.LogsBloom = &bloom
	}
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
		out = b.AppendTransaction(out, &b.Transactions[i], i)
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

func encodeList[E any](fields *table[E], l []E) json.RawMessage {
	if l == nil {
		return nil
	}
	return appendList(nil, fields, l)
}

func decodeList[E any](raw json.RawMessage, fields *table[E]) ([]E, error) {
	if raw == nil {
		return nil, nil
	}
	d := newDecoder()
	defer d.free()
	if err := d.text.Parse(raw); err != nil {
		return nil, err
	}
	l, _, err := parseList(d, d.text.Root(), fields)
	return l, err
}
