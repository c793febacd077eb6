package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
)

// AppendCanonical appends what the chain says of the block, in a form that does
// not depend on the node that gave it: an RLP list of
//
//  1. the block's hash, as told;
//  2. the block as [Block.AppendRLP] has it, an unknown transaction an empty string;
//  3. the receipts as [Block.AppendReceiptsRLP] has them;
//  4. of each transaction a list of its hash and its sender, as told;
//  5. the uncles' hashes, as told;
//  6. pairs of a name and JSON, for what 2 and 3 can't hold: the whole of a
//     transaction of unknown type; the unknown keys of an object, if the hash or
//     root over it is not that of the known fields; the status of a receipt with
//     both or neither of status and state root.
//
// Left out is what follows from these, which [Verify] proves, and what nothing
// commits to and nodes tell differently: size, totalDifficulty, blobGasPrice, a
// rollup's fees for the chain below, which keys there are, and keys of a node's
// own.
//
// Digests are taken of this form. Whoever teaches this package a field or a type
// changes the form of the blocks that have it: then digests need a new version.
func (b *Block) AppendCanonical(out []byte) []byte {
	return appendRLP(out, func(w rlp.EncoderBuffer) {
		l := w.List()
		w.WriteBytes(b.Hash[:])
		b.writeBlock(w)
		b.writeReceipts(w)
		b.writeNames(w)
		b.writeRest(w)
		w.ListEnd(l)
	})
}

// writeBlock writes the block as AppendRLP does, whatever its hashes are.
func (b *Block) writeBlock(w rlp.EncoderBuffer) {
	raw := make([][]byte, len(b.Transactions))
	for i := range b.Transactions {
		if tx := &b.Transactions[i]; tx.known() {
			raw[i] = tx.appendConsensus(nil)
		}
	}
	l := w.List()
	b.Header.writeTo(w)
	b.writeBody(w, raw)
	w.ListEnd(l)
}

func (b *Block) writeNames(w rlp.EncoderBuffer) {
	transactions := w.List()
	for i := range b.Transactions {
		pair := w.List()
		w.WriteBytes(b.Transactions[i].Hash[:])
		w.WriteBytes(b.Transactions[i].From[:])
		w.ListEnd(pair)
	}
	w.ListEnd(transactions)
	uncles := w.List()
	for i := range b.UncleHashes {
		w.WriteBytes(b.UncleHashes[i][:])
	}
	w.ListEnd(uncles)
}

// writeRest writes what the encodings can't hold.
func (b *Block) writeRest(w rlp.EncoderBuffer) {
	l := w.List()
	r := rest{block: b, w: w}
	r.note(&b.Object, HeaderHash, "block")
	for i := range b.Transactions {
		r.transaction(i, &b.Transactions[i])
	}
	for i := range b.Withdrawals {
		r.note(&b.Withdrawals[i].Object, WithdrawalsRoot, "withdrawal %d", i)
	}
	for i := range b.Uncles {
		r.note(&b.Uncles[i].Object, UnclesHash, "uncle %d", i)
	}
	w.ListEnd(l)
}

// A rest writes the pairs of a block.
type rest struct {
	block    *Block
	w        rlp.EncoderBuffer
	verified *Verdict // nil before something unknown was found
}

// note writes the unknown keys of an object, if a check over it does not pass.
func (r *rest) note(o *Object, check Check, name string, at ...any) {
	if o.unknown && !r.passes(check) {
		r.pair(fmt.Sprintf(name, at...), o.Extra)
	}
}

func (r *rest) passes(check Check) bool {
	if r.verified == nil {
		b := *r.block // keeps its verdict
		v := Verify(&b, HeaderHash|ReceiptsRoot|WithdrawalsRoot|UnclesHash|TransactionHashes)
		r.verified = &v
	}
	return r.verified.Passed&check != 0
}

func (r *rest) transaction(i int, tx *Transaction) {
	if tx.known() {
		r.note(&tx.Object, TransactionHashes, "transaction %d", i)
	} else {
		view := &transactionView{block: r.block, tx: tx, index: i}
		r.pair(fmt.Sprintf("transaction %d", i), appendObject(nil, transactionFields, view, &tx.Object))
	}
	receipt := &tx.Receipt
	r.note(&receipt.Object, ReceiptsRoot, "receipt %d", i)
	for j := range receipt.Logs {
		r.note(&receipt.Logs[j].Object, ReceiptsRoot, "receipt %d log %d", i, j)
	}
	if (receipt.Status == nil) == (receipt.Root == nil) {
		r.pair(fmt.Sprintf("receipt %d status", i), receipt.appendStatus(nil))
	}
}

func (r *rest) pair(name string, json []byte) {
	l := r.w.List()
	r.w.WriteBytes([]byte(name))
	r.w.WriteBytes(json)
	r.w.ListEnd(l)
}

func (r *Receipt) appendStatus(out []byte) []byte {
	if r.Status == nil {
		return append(out, "null"...)
	}
	return append64(out, *r.Status)
}
