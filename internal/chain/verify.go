package chain

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// A Check is a set of things that Verify recomputes from a block's data. The
// bits are stored with each block: they keep their meaning for ever.
type Check uint16

const (
	// HeaderHash: the hash is that of the header's fields.
	HeaderHash Check = 1 << iota
	// TransactionsRoot: the header commits to these transactions.
	TransactionsRoot
	// ReceiptsRoot: the header commits to these receipts and logs.
	ReceiptsRoot
	// WithdrawalsRoot: the header commits to these withdrawals.
	WithdrawalsRoot
	// UnclesHash: the header commits to these uncle headers, and their hashes
	// are theirs.
	UnclesHash
	// LogsBloom: the blooms of header and receipts are those of the logs.
	LogsBloom
	// TransactionHashes: each hash is that of the transaction's fields.
	TransactionHashes
	// Senders: each sender is the one whose signature it is, where there is one.
	Senders
	// Contents: what no root commits to follows from what one does: gas used
	// and price paid, created addresses, and the hashes, numbers and indexes
	// by which parts name the block they are in.
	Contents

	// AllChecks are all of them.
	AllChecks = 1<<iota - 1
	// QuickChecks leave out Senders, which cost more than all others together.
	QuickChecks = AllChecks &^ Senders
)

var checkNames = []string{
	"header hash", "transactions root", "receipts root", "withdrawals root",
	"uncles hash", "logs bloom", "transaction hashes", "senders", "contents",
}

// String names the checks, separated by commas.
func (c Check) String() string { return strings.Join(c.Names(), ", ") }

// Names gives the name of each check in the set.
func (c Check) Names() []string {
	names := []string{}
	for rest := c & AllChecks; rest != 0; rest &= rest - 1 {
		names = append(names, checkNames[bits.TrailingZeros16(uint16(rest))])
	}
	return names
}

// A Verdict is what came of the checks of a block. A check in none of the sets
// was not made.
type Verdict struct {
	Passed        Check
	NotComputable Check // mismatch beside fields or types that are unknown here
	Failed        Check
	Why           string // the first check that failed, or else was not computable, in words; not stored
}

// Verified reports whether all the checks that were made have passed.
func (v Verdict) Verified() bool { return v.Failed|v.NotComputable == 0 }

// Missing gives the checks that were not made.
func (v Verdict) Missing() Check { return AllChecks &^ (v.Passed | v.NotComputable | v.Failed) }

// A Level says which verdicts are good enough to store a block.
type Level string

const (
	// Auto refuses what is wrong and keeps what is not computable.
	Auto Level = "auto"
	// Strict refuses all that is not wholly verified.
	Strict Level = "strict"
	// Warn stores what is wrong, with a verdict that says so.
	Warn Level = "warn"
	// Off makes no checks.
	Off Level = "off"
)

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case Auto, Strict, Warn, Off:
		return l, nil
	}
	return "", fmt.Errorf("unknown verify level %q: use auto, strict, warn or off", s)
}

// Accept returns an [Invalid] error for a verdict that the level refuses.
func (l Level) Accept(v Verdict) error {
	refused := v.Failed
	switch l {
	case Warn, Off:
		return nil
	case Strict:
		refused |= v.NotComputable
	}
	if refused == 0 {
		return nil
	}
	if v.Why == "" { // the verdict was stored
		return &Error{Class: Invalid, Err: fmt.Errorf("not verified: %s", refused)}
	}
	return &Error{Class: Invalid, Err: errors.New(v.Why)}
}

// Verify makes the given checks of a whole block, and sets and returns its
// verdict. A check is first computed from the fields that are known: if it
// matches, it has passed whatever else the block has.
func Verify(b *Block, checks Check) Verdict {
	v := verifiers.Get().(*verifier)
	defer verifiers.Put(v)
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
	v.b = nil
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
