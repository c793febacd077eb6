package chain

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// Verify makes the given checks of a whole block, and sets and returns its
// verdict. A check is first computed from the fields that are known: if it
// matches, it has passed whatever else the block has.
func Verify(b *Block, checks Check) Verdict {
	v := verifiers.Get().(*verifier)
	defer v.free()
	v.begin(b)
	for _, c := range []struct {
		check Check
		make  func() finding
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
			v.verdict.add(c.check, c.make())
		}
	}
	b.Verdict = v.verdict
	return b.Verdict
}

// A finding is why a check does not pass, in words; none if it passes.
type finding struct {
	why string
	// excused: what differs has fields or a type that are unknown here, so
	// that the difference proves nothing.
	excused bool
}

// or gives the first of two findings, unless only the second proves something.
func (f finding) or(next finding) finding {
	if f.why == "" || f.excused && next.why != "" && !next.excused {
		return next
	}
	return f
}

func (v *Verdict) add(c Check, f finding) {
	switch {
	case f.why == "":
		v.Passed |= c
		return
	case f.excused:
		f.why = fmt.Sprintf("%s not computable here: %s", c, f.why)
		v.NotComputable |= c
	default:
		v.Failed |= c
	}
	if v.Why == "" || v.Failed == c { // none before, or none that failed
		v.Why = f.why
	}
}

// A verifier holds what several checks of one block need.
type verifier struct {
	b       *Block
	verdict Verdict

	encoded [][]byte // transactions; nil if the type is not known
	blooms  []Bloom  // receipts

	// odd: has fields or is of a type that is unknown here
	oddTransaction, oddReceipt                              []bool
	oddTransactions, oddReceipts, oddWithdrawals, oddUncles bool // any of them
	unknownTypes                                            bool

	scratch
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
	v.b, v.verdict = b, Verdict{}
	v.encoded, v.blooms = zeros(v.encoded, n), zeros(v.blooms, n)
	v.oddTransaction, v.oddReceipt = zeros(v.oddTransaction, n), zeros(v.oddReceipt, n)
	v.oddTransactions, v.oddReceipts, v.oddWithdrawals, v.oddUncles, v.unknownTypes = false, false, false, false, false
	v.data = v.data[:0]
	v.survey()
}

// zeros gives n zero values, in the memory of others if there is enough.
func zeros[T any](others []T, n int) []T {
	if n > cap(others) {
		return make([]T, n)
	}
	clear(others[:n])
	return others[:n]
}

func (v *verifier) survey() {
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if tx.known() {
			v.encoded[i] = v.encode(tx.appendConsensus)
		}
		v.bloomer.add(&v.blooms[i], &tx.Receipt)
		v.unknownTypes = v.unknownTypes || !tx.known()
		v.oddTransaction[i] = tx.unknown || !tx.known()
		v.oddReceipt[i] = tx.Receipt.unknown || !tx.known()
		for j := range tx.Receipt.Logs {
			v.oddReceipt[i] = v.oddReceipt[i] || tx.Receipt.Logs[j].unknown
		}
		v.oddTransactions = v.oddTransactions || v.oddTransaction[i]
		v.oddReceipts = v.oddReceipts || v.oddReceipt[i]
	}
	for i := range v.b.Withdrawals {
		v.oddWithdrawals = v.oddWithdrawals || v.b.Withdrawals[i].unknown
	}
	for i := range v.b.Uncles {
		v.oddUncles = v.oddUncles || v.b.Uncles[i].unknown
	}
}

// encode gives what is appended. It stays what it is until the next block.
func (v *verifier) encode(appended func([]byte) []byte) []byte {
	first := len(v.data)
	v.data = appended(v.data)
	return v.data[first:len(v.data):len(v.data)]
}

// eachTransaction gives the first finding of check that proves something, or
// else the first of all.
func (v *verifier) eachTransaction(check func(i int, tx *Transaction) finding) (found finding) {
	for i := range v.b.Transactions {
		found = found.or(check(i, &v.b.Transactions[i]))
		if found.why != "" && !found.excused {
			break
		}
	}
	return found
}

func differs(what string, got, want common.Hash) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%s is %s by the data, %s by the block", what, got, want)
}

func (v *verifier) headerHash() finding {
	return finding{differs("header hash", v.b.Header.hash(), v.b.Hash), v.b.unknown}
}

func (v *verifier) transactionsRoot() finding {
	if v.unknownTypes {
		return finding{"transaction of an unknown type", true}
	}
	return finding{differs("transactions root", v.trie.root(v.encoded), v.b.TransactionsRoot), v.oddTransactions}
}

func (v *verifier) receiptsRoot() finding {
	v.parts = zeros(v.parts, len(v.b.Transactions))
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		v.parts[i] = v.encode(func(out []byte) []byte { return tx.Receipt.appendConsensus(out, tx.Type, &v.blooms[i]) })
	}
	return finding{differs("receipts root", v.trie.root(v.parts), v.b.ReceiptsRoot), v.oddReceipts}
}

func (v *verifier) withdrawalsRoot() finding {
	if v.b.WithdrawalsRoot == nil {
		if len(v.b.Withdrawals) > 0 {
			return finding{"withdrawals in a block without a withdrawals root", v.oddWithdrawals}
		}
		return finding{}
	}
	if len(v.b.Withdrawals) == 0 && v.b.stateWithdrawals() {
		return finding{}
	}
	v.parts = zeros(v.parts, len(v.b.Withdrawals))
	for i := range v.b.Withdrawals {
		v.parts[i] = v.encode(v.b.Withdrawals[i].appendRLP)
	}
	return finding{differs("withdrawals root", v.trie.root(v.parts), *v.b.WithdrawalsRoot), v.oddWithdrawals}
}

func (v *verifier) unclesHash() (found finding) {
	if len(v.b.Uncles) != len(v.b.UncleHashes) {
		return finding{why: fmt.Sprintf("%d uncles for %d uncle hashes", len(v.b.Uncles), len(v.b.UncleHashes))}
	}
	for i := range v.b.Uncles {
		uncle := &v.b.Uncles[i]
		found = found.or(finding{differs("uncle's header hash", uncle.hash(), uncle.Hash), uncle.unknown})
		found = found.or(finding{why: differs("uncle's hash", uncle.Hash, v.b.UncleHashes[i])})
	}
	return found.or(finding{differs("uncles hash", unclesHash(v.b.Uncles), v.b.UnclesHash), v.oddUncles})
}

func (v *verifier) logsBloom() finding {
	var all Bloom
	for i := range v.blooms {
		all.or(&v.blooms[i])
	}
	found := v.eachTransaction(func(i int, tx *Transaction) finding {
		if given := tx.Receipt.LogsBloom; given != nil && *given != v.blooms[i] {
			return finding{fmt.Sprintf("logs bloom of receipt %d is not that of its logs", i), v.oddReceipt[i]}
		}
		return finding{}
	})
	if all != v.b.LogsBloom {
		found = found.or(finding{"logs bloom of the block is not that of its logs", v.oddReceipts})
	}
	return found
}

func (v *verifier) transactionHashes() finding {
	return v.eachTransaction(func(i int, tx *Transaction) finding {
		if !tx.known() {
			return finding{"transaction of an unknown type", true}
		}
		return finding{differs("transaction hash", v.trie.hash(v.encoded[i]), tx.Hash), v.oddTransaction[i]}
	})
}

func (v *verifier) senders() finding {
	return v.eachTransaction(func(i int, tx *Transaction) finding {
		switch {
		case !tx.known():
			return finding{"transaction of an unknown type", true}
		case tx.isDeposit(): // the sender is a field, and nothing is signed
			return finding{}
		}
		from, ok := tx.sender()
		switch {
		case !ok:
			return finding{fmt.Sprintf("signature of transaction %d is not valid", i), v.oddTransaction[i]}
		case from != tx.From:
			return finding{fmt.Sprintf("transaction %d is signed by %s, not by %s", i, from, tx.From), v.oddTransaction[i]}
		}
		return finding{}
	})
}
