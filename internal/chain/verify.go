package chain

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Verify makes the given checks of a whole block, and sets and returns its
// verdict, of a chain of which all can be computed. A check is computed from the
// fields that are known: if it matches, it has passed whatever else the block has.
func Verify(b *Block, checks Check) Verdict { return Exemptions(nil).Verify(b, checks) }

// A verifier holds what several checks of one block need.
type verifier struct {
	b     *Block
	found []Finding

	encoded [][]byte // transactions; nil if the type is not known
	blooms  []Bloom  // receipts

	scratch
}

// examine makes the checks.
func (v *verifier) examine(b *Block, checks Check) {
	v.begin(b)
	for _, c := range []struct {
		check Check
		make  func()
	}{
		{HeaderHash, v.headerHash},
		{TransactionsRoot, v.transactionsRoot},
		{ReceiptsRoot, v.receiptsRoot},
		{WithdrawalsRoot, v.withdrawalsRoot},
		{UnclesHash, v.unclesHash},
		{LogsBloom, v.logsBloom},
		{TransactionHashes, v.transactionHashes},
		{Senders, v.senders},
		{Contents, v.contents},
	} {
		if checks&c.check != 0 {
			c.make()
		}
	}
}

// A scratch is what a verifier keeps for the next block: memory, and a memory
// of blooms. It changes no verdict.
type scratch struct {
	trie    listTrie
	bloomer bloomer
	data    []byte   // encodings of what is in the block
	parts   [][]byte // those of receipts or withdrawals
}

// verifiers are not in use. There are as many as blocks are verified at once.
var verifiers = sync.Pool{New: func() any { return new(verifier) }}

// mostKept is how much memory is kept for the next block, in bytes. What a large
// block takes goes with it.
const mostKept = 1 << 20

// free keeps the verifier for the next block.
func (v *verifier) free() {
	v.b = nil
	if cap(v.data)+cap(v.trie.nodes) <= mostKept {
		verifiers.Put(v)
	}
}

// computeBloom gives the bloom of the receipt's logs.
func (r *Receipt) computeBloom() (b Bloom) {
	v := verifiers.Get().(*verifier)
	defer verifiers.Put(v)
	v.bloomer.add(&b, r)
	return b
}

// begin forgets the block before and looks through the next.
func (v *verifier) begin(b *Block) {
	n := len(b.Transactions)
	v.b, v.found = b, v.found[:0]
	v.encoded, v.blooms = zeros(v.encoded, n), zeros(v.blooms, n)
	v.data = v.data[:0]
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		if tx.known() {
			v.encoded[i] = v.encode(tx.appendConsensus)
		}
		v.bloomer.add(&v.blooms[i], &tx.Receipt)
	}
}

// zeros gives n zero values, in the memory of others if there is enough.
func zeros[T any](others []T, n int) []T {
	if n > cap(others) {
		return make([]T, n)
	}
	clear(others[:n])
	return others[:n]
}

// encode gives what is appended. It stays what it is until the next block.
func (v *verifier) encode(appended func([]byte) []byte) []byte {
	first := len(v.data)
	v.data = appended(v.data)
	return v.data[first:len(v.data):len(v.data)]
}

func differs(what string, got, want common.Hash) string {
	return fmt.Sprintf("%s is %s by the data, %s by the block", what, got, want)
}

func (v *verifier) headerHash() { v.header(&v.b.Header) }

func (v *verifier) header(h *Header) {
	if got := h.hash(); got != h.Hash && !h.appended() {
		findLacking(v, headerOnlyFields, lackOf(&h.Object), Finding{Check: HeaderHash, Why: differs("header hash", got, h.Hash)})
	}
}

func (v *verifier) transactionsRoot() {
	if v.findUnknownTypes(TransactionsRoot) {
		return
	}
	got := v.trie.root(v.encoded)
	if got == v.b.TransactionsRoot || v.sidecarsRoot() == v.b.TransactionsRoot {
		return
	}
	var l lack
	for i := range v.b.Transactions {
		l.add(&v.b.Transactions[i].Object)
	}
	findRoot(v, 5, transactionFields, l, Finding{Check: TransactionsRoot, Why: differs("transactions root", got, v.b.TransactionsRoot)})
}

// findUnknownTypes finds transactions that can't be encoded, and reports whether
// there are any.
func (v *verifier) findUnknownTypes(check Check) (any bool) {
	for i := range v.b.Transactions {
		if tx := &v.b.Transactions[i]; !tx.known() {
			any = true
			v.find(Finding{Check: check, About: named(tx.Type), UnknownType: true,
				Why: fmt.Sprintf("transaction %d is of the unknown type %#x", i, tx.Type), Spoiled: tx.spoiled != ""})
		}
	}
	return any
}

func (v *verifier) receiptsRoot() {
	v.parts = zeros(v.parts, len(v.b.Transactions))
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		v.parts[i] = v.encode(func(out []byte) []byte { return tx.Receipt.appendConsensus(out, tx.Type, &v.blooms[i]) })
	}
	got := v.trie.root(v.parts)
	if got == v.b.ReceiptsRoot {
		return
	}
	var l, logs lack
	for i := range v.b.Transactions {
		r := &v.b.Transactions[i].Receipt
		l.add(&r.Object)
		for j := range r.Logs {
			logs.add(&r.Logs[j].Object)
		}
	}
	f := Finding{Check: ReceiptsRoot, About: logFields.lacking(logs.absent), Why: differs("receipts root", got, v.b.ReceiptsRoot)}
	l.spoiled = l.spoiled || logs.spoiled
	findRoot(v, 6, receiptFields, l, f)
}

func (v *verifier) withdrawalsRoot() {
	var l lack
	for i := range v.b.Withdrawals {
		l.add(&v.b.Withdrawals[i].Object)
	}
	f := Finding{Check: WithdrawalsRoot}
	switch {
	case v.b.WithdrawalsRoot == nil && len(v.b.Withdrawals) == 0:
		return
	case v.b.WithdrawalsRoot == nil:
		f.Why = "withdrawals in a block without a withdrawals root"
	case len(v.b.Withdrawals) == 0 && v.b.stateWithdrawals():
		return
	default:
		v.parts = zeros(v.parts, len(v.b.Withdrawals))
		for i := range v.b.Withdrawals {
			v.parts[i] = v.encode(v.b.Withdrawals[i].appendRLP)
		}
		got := v.trie.root(v.parts)
		if got == *v.b.WithdrawalsRoot {
			return
		}
		f.Why = differs("withdrawals root", got, *v.b.WithdrawalsRoot)
	}
	findLacking(v, withdrawalFields, l, f)
}

func (v *verifier) unclesHash() {
	if len(v.b.Uncles) != len(v.b.UncleHashes) {
		v.find(Finding{Check: UnclesHash, Why: fmt.Sprintf("%d uncles for %d uncle hashes", len(v.b.Uncles), len(v.b.UncleHashes))})
		return
	}
	for i := range v.b.Uncles {
		uncle := &v.b.Uncles[i]
		if got := uncle.hash(); got != uncle.Hash && !uncle.appended() {
			findLacking(v, uncleFields, lackOf(&uncle.Object), Finding{Check: UnclesHash, Why: differs("uncle's header hash", got, uncle.Hash)})
		}
		if uncle.Hash != v.b.UncleHashes[i] {
			v.find(Finding{Check: UnclesHash, Why: differs("uncle's hash", uncle.Hash, v.b.UncleHashes[i])})
		}
	}
	if got := unclesHash(v.b.Uncles); got != v.b.UnclesHash {
		findRoot(v, 2, blockFields, lack{absent: v.b.Shape & (1 << unclesBit)}, Finding{Check: UnclesHash, Why: differs("uncles hash", got, v.b.UnclesHash)})
	}
}

func (v *verifier) logsBloom() {
	var all Bloom
	for i := range v.blooms {
		all.or(&v.blooms[i])
		r := &v.b.Transactions[i].Receipt
		if r.LogsBloom != nil && *r.LogsBloom != v.blooms[i] {
			v.find(Finding{Check: LogsBloom, About: "receipts", Why: fmt.Sprintf("logs bloom of receipt %d is not that of its logs", i)})
		}
	}
	if all != v.b.LogsBloom {
		findRoot(v, 7, blockFields, lack{}, Finding{Check: LogsBloom, About: "block", Why: "logs bloom of the block is not that of its logs"})
	}
}

func (v *verifier) transactionHashes() {
	v.findUnknownTypes(TransactionHashes)
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if !tx.known() {
			continue
		}
		if got := v.trie.hash(v.encoded[i]); got != tx.Hash {
			v.findTransaction(TransactionHashes, tx, differs("transaction hash", got, tx.Hash))
		}
	}
}

func (v *verifier) senders() {
	v.findUnknownTypes(Senders)
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if !tx.known() || tx.isDeposit() { // of a deposit the sender is a field, and nothing is signed
			continue
		}
		switch from, ok := tx.sender(); {
		case !ok:
			v.findTransaction(Senders, tx, fmt.Sprintf("signature of transaction %d is not valid", i))
		case from != tx.From:
			v.findTransaction(Senders, tx, fmt.Sprintf("transaction %d is signed by %s, not by %s", i, from, tx.From))
		}
	}
}

func (v *verifier) findTransaction(check Check, tx *Transaction, why string) {
	findLacking(v, transactionFields, lackOf(&tx.Object), Finding{Check: check, About: named(tx.Type), Why: why})
}
