package chain

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/scan"
)

// DecodeBlock decodes an answer to eth_getBlockByNumber or eth_getBlockByHash
// with full transactions. Receipts and uncles are added by
// [Block.DecodeReceipts] and, if it has UncleHashes, [Block.DecodeUncles]. A
// null answer is an *Error of class [NotYet], one that is no block [Invalid].
func DecodeBlock(raw json.RawMessage) (*Block, error) {
	if isNull(raw) {
		return nil, &Error{Class: NotYet, Err: errors.New("block is null")}
	}
	b := new(Block)
	if err := decodeRoot(raw, blockFields, b, &b.Object); err != nil {
		return nil, invalid(fmt.Errorf("block: %w", err))
	}
	if err := b.Header.usable(); err != nil {
		return nil, err
	}
	return b, nil
}

// DecodeHeader decodes a block's header from an answer to
// eth_getBlockByNumber, with or without transactions, or from a newHeads
// notification. Errors are those of [DecodeBlock].
func DecodeHeader(raw json.RawMessage) (*Header, error) {
	if isNull(raw) {
		return nil, &Error{Class: NotYet, Err: errors.New("block is null")}
	}
	h := new(Header)
	if err := decodeRoot(raw, headerOnlyFields, h, &h.Object); err != nil {
		return nil, invalid(fmt.Errorf("header: %w", err))
	}
	h.Shape &= 1<<len(headerFields) - 1
	return h, h.usable()
}

// decodeRoot decodes an answer that is one object.
func decodeRoot[T any](raw []byte, t *table[T], v *T, o *Object) error {
	d := newDecoder()
	defer d.free()
	if err := d.text.Parse(raw); err != nil {
		return err
	}
	return decodeObject(d, d.text.Root(), t, v, o)
}

// Recompute recomputes the header's hash from its fields. It fails with
// [Invalid] if it is another one.
func (h *Header) Recompute() error {
	if got := h.hash(); got != h.Hash && !h.appended() {
		return invalid(fmt.Errorf("header hash is %s by the data, %s by the block", got, h.Hash))
	}
	return nil
}

// usable refuses a header that does not even name itself and its parent.
func (h *Header) usable() error {
	if h.Hash == (common.Hash{}) {
		return invalid(errors.New("block without a hash"))
	}
	if h.Shape&(1<<9) != 0 { // number
		return invalid(errors.New("block without a number"))
	}
	if h.Shape&(1<<1) != 0 { // parentHash
		return invalid(errors.New("block without a parent hash"))
	}
	return nil
}

// DecodeReceipts adds the answer to eth_getBlockReceipts: an array with one
// receipt for each transaction, in their order. A null is [NotYet]; a receipt
// of another block is a [Race]; another count, or a receipt of another
// transaction, is [Invalid].
func (b *Block) DecodeReceipts(raw json.RawMessage) error {
	if isNull(raw) {
		return &Error{Class: NotYet, Err: errors.New("receipts are null")}
	}
	d := newDecoder()
	defer d.free()
	if err := d.text.Parse(raw); err != nil {
		return invalid(fmt.Errorf("receipts: %w", err))
	}
	items, err := d.elements(d.text.Root())
	if err != nil {
		return invalid(fmt.Errorf("receipts: %w", err))
	}
	defer d.drop(items)
	if len(items) != len(b.Transactions) {
		return invalid(fmt.Errorf("%d receipts for %d transactions", len(items), len(b.Transactions)))
	}
	logs := 0
	for i, item := range items {
		tx := &b.Transactions[i]
		if d.isNull(item) {
			return &Error{Class: NotYet, Err: fmt.Errorf("receipt %d is null", i)}
		}
		d.view = transactionView{block: b, tx: tx, index: i, logs: logs}
		tx.Receipt = Receipt{} // there may be one from before a Race
		if err := decodeObject(d, item, receiptFields, &d.view, &tx.Receipt.Object); err != nil {
			return invalid(fmt.Errorf("receipt %d: %w", i, err))
		}
		if err := b.checkReceipt(tx, i); err != nil {
			return err
		}
		logs += len(tx.Receipt.Logs)
	}
	return nil
}

// checkReceipt refuses a receipt that is of another block or transaction. What
// else contradicts the block is for [Verify].
func (b *Block) checkReceipt(tx *Transaction, i int) error {
	err := b.foreign(&tx.Receipt.Object, tx, i)
	for j := 0; err == nil && j < len(tx.Receipt.Logs); j++ {
		err = b.foreign(&tx.Receipt.Logs[j].Object, tx, i)
	}
	return err
}

// foreign tells of a receipt or log that is not of the transaction.
func (b *Block) foreign(o *Object, tx *Transaction, i int) error {
	switch o.mismatch {
	case "blockHash":
		return &Error{Class: Race, Err: fmt.Errorf("receipt %d is of another block than %s", i, b.Hash)}
	case "transactionHash":
		return invalid(fmt.Errorf("receipt %d is not of transaction %s", i, tx.Hash))
	}
	return nil
}

// DecodeUncles adds the answers to eth_getUncleByBlockHashAndIndex, one for
// each of UncleHashes. A null is [NotYet], another uncle [Race].
func (b *Block) DecodeUncles(raws []json.RawMessage) error {
	if len(raws) != len(b.UncleHashes) {
		return invalid(fmt.Errorf("%d uncle headers for %d uncles", len(raws), len(b.UncleHashes)))
	}
	b.Uncles = make([]Header, len(raws))
	for i, raw := range raws {
		if isNull(raw) {
			return &Error{Class: NotYet, Err: fmt.Errorf("uncle %d is null", i)}
		}
		uncle := &b.Uncles[i]
		if err := decodeRoot(raw, uncleFields, uncle, &uncle.Object); err != nil {
			return invalid(fmt.Errorf("uncle %d: %w", i, err))
		}
		if uncle.Hash != b.UncleHashes[i] {
			return &Error{Class: Race, Err: fmt.Errorf("uncle %d is %s instead of %s", i, uncle.Hash, b.UncleHashes[i])}
		}
	}
	return nil
}

func decodeTransactions(d *decoder, b *Block, list scan.Value) (bool, error) {
	items, err := d.elements(list)
	if err != nil {
		return false, invalid(err)
	}
	defer d.drop(items)
	b.Transactions = make([]Transaction, len(items))
	for i, item := range items {
		tx := &b.Transactions[i]
		d.view = transactionView{block: b, tx: tx, index: i}
		if err := decodeObject(d, item, transactionFields, &d.view, &tx.Object); err != nil {
			return false, invalid(fmt.Errorf("transaction %d: %w", i, err))
		}
		if tx.Hash == (common.Hash{}) {
			return false, invalid(fmt.Errorf("transaction %d without a hash", i))
		}
	}
	return !d.isNull(list), nil
}

func decodeUncleHashes(d *decoder, b *Block, list scan.Value) (_ bool, err error) {
	if b.UncleHashes, err = d.parseHashes(list); err != nil {
		return false, invalid(err)
	}
	return !d.isNull(list), nil
}

func decodeWithdrawals(d *decoder, b *Block, list scan.Value) (bool, error) {
	items, err := d.elements(list)
	if err != nil {
		return false, invalid(err)
	}
	defer d.drop(items)
	b.Withdrawals = make([]Withdrawal, len(items))
	for i, item := range items {
		w := &b.Withdrawals[i]
		if err := decodeObject(d, item, withdrawalFields, w, &w.Object); err != nil {
			return false, invalid(fmt.Errorf("withdrawal %d: %w", i, err))
		}
	}
	return true, nil
}

func decodeLogs(d *decoder, v *transactionView, list scan.Value) (bool, error) {
	items, err := d.elements(list)
	if err != nil || d.isNull(list) {
		return false, invalid(errors.New("logs are no array"))
	}
	defer d.drop(items)
	logs := d.logs.take(len(items))
	for i, item := range items {
		d.log = logView{transactionView: *v, log: &logs[i], logIndex: v.logs + i}
		if err := decodeObject(d, item, logFields, &d.log, &logs[i].Object); err != nil {
			return false, invalid(fmt.Errorf("log %d: %w", i, err))
		}
		if len(logs[i].Topics) > 4 {
			return false, invalid(fmt.Errorf("log %d has %d topics", i, len(logs[i].Topics)))
		}
	}
	v.tx.Receipt.Logs = logs
	return true, nil
}

func decodeReceiptBloom(d *decoder, r *Receipt, value scan.Value) (bool, error) {
	var bloom Bloom
	if err := parseFixed(d.text.Plain(value), bloom[:]); err != nil {
		return false, err
	}
	r.LogsBloom = d.blooms.one(bloom)
	return true, nil
}

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

func invalid(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Class: Invalid, Err: err}
}
