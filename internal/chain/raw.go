package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrNotEncodable: a header or transaction has fields that this program does
// not know, or a hash that is not that of its fields, so that its RLP is not
// known either.
var ErrNotEncodable = errors.New("its hash is not that of the fields that are known, so its encoding is not known")

// AppendRLP appends the header's RLP, of which its hash is taken.
func (h *Header) AppendRLP(out []byte) ([]byte, error) {
	encoded, ok := h.encode()
	if !ok {
		return nil, fmt.Errorf("header of block %d: %w", h.Number, ErrNotEncodable)
	}
	return append(out, encoded...), nil
}

// AppendBinary appends the transaction as it is signed, sent and hashed
// (EIP-2718).
func (t *Transaction) AppendBinary(out []byte) ([]byte, error) {
	start := len(out)
	if t.known() {
		out = t.appendConsensus(out)
	}
	if crypto.Keccak256Hash(out[start:]) != t.Hash {
		return nil, fmt.Errorf("transaction %s: %w", t.Hash, ErrNotEncodable)
	}
	return out, nil
}

// AppendRLP appends the block's RLP as nodes exchange and export it: header,
// transactions, uncles and, since EIP-4895, withdrawals.
func (b *Block) AppendRLP(out []byte) ([]byte, error) {
	header, err := b.Header.AppendRLP(nil)
	if err != nil {
		return nil, err
	}
	raw := make([][]byte, len(b.Transactions))
	for i := range b.Transactions {
		if raw[i], err = b.Transactions[i].AppendBinary(nil); err != nil {
			return nil, fmt.Errorf("block %d: %w", b.Number, err)
		}
	}
	return appendRLP(out, func(w rlp.EncoderBuffer) {
		l := w.List()
		_, _ = w.Write(header) // to a buffer
		b.writeBody(w, raw)
		w.ListEnd(l)
	}), nil
}

func (b *Block) writeBody(w rlp.EncoderBuffer, transactions [][]byte) {
	l := w.List()
	for i, raw := range transactions {
		if b.Transactions[i].Type == legacyType {
			_, _ = w.Write(raw) // is a list itself
		} else {
			w.WriteBytes(raw)
		}
	}
	w.ListEnd(l)
	writeUncles(w, b.Uncles)
	if b.Withdrawals == nil && b.WithdrawalsRoot == nil {
		return
	}
	l = w.List()
	for i := range b.Withdrawals {
		_, _ = w.Write(b.Withdrawals[i].appendRLP(nil))
	}
	w.ListEnd(l)
}

// AppendReceiptBinary appends the receipt of transaction i as the receipts root
// commits to it (EIP-2718).
func (b *Block) AppendReceiptBinary(out []byte, i int) []byte {
	tx := &b.Transactions[i]
	bloom := tx.Receipt.LogsBloom
	if bloom == nil {
		computed := tx.Receipt.computeBloom()
		bloom = &computed
	}
	return tx.Receipt.appendConsensus(out, tx.Type, bloom)
}

// AppendReceiptsRLP appends a list of the receipts in the form in which nodes
// exchange them, with the blooms of their logs (eth/68, and era1 files).
func (b *Block) AppendReceiptsRLP(out []byte) []byte { return appendRLP(out, b.writeReceipts) }

func (b *Block) writeReceipts(w rlp.EncoderBuffer) {
	l := w.List()
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		bloom := tx.Receipt.computeBloom()
		encoded := tx.Receipt.appendConsensus(nil, tx.Type, &bloom)
		if tx.Type == legacyType {
			_, _ = w.Write(encoded) // is a list itself
		} else {
			w.WriteBytes(encoded)
		}
	}
	w.ListEnd(l)
}
