package chain

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
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
	// Senders: each sender is the one whose signature it is.
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
func (c Check) String() string {
	var names []string
	for rest := c & AllChecks; rest != 0; rest &= rest - 1 {
		names = append(names, checkNames[bits.TrailingZeros16(uint16(rest))])
	}
	return strings.Join(names, ", ")
}

// A Verdict is what came of the checks of a block. A check in none of the sets
// was not made.
type Verdict struct {
	Passed        Check
	NotComputable Check // mismatch beside fields or types that are unknown here
	Failed        Check
	Why           string // the first check that failed, in words; not stored
}

// Verified reports whether all the checks that were made have passed.
func (v Verdict) Verified() bool { return v.Failed|v.NotComputable == 0 }

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
	if v.Why != "" {
		return &Error{Class: Invalid, Err: errors.New(v.Why)}
	}
	return &Error{Class: Invalid, Err: fmt.Errorf("%s not computable here", v.NotComputable)}
}

// Verify makes the given checks of a whole block, and sets and returns its
// verdict. A check is first computed from the fields that are known: if it
// matches, it has passed whatever else the block has.
func Verify(b *Block, checks Check) Verdict {
	v := verifier{b: b}
	v.survey()
	for _, c := range []struct {
		check Check
		make  func() string // why it fails, empty if it passes
		// excused: a mismatch proves nothing
		excused bool
	}{
		{HeaderHash, v.headerHash, b.unknown},
		{TransactionsRoot, v.transactionsRoot, v.oddTransactions},
		{ReceiptsRoot, v.receiptsRoot, v.oddReceipts},
		{WithdrawalsRoot, v.withdrawalsRoot, v.oddWithdrawals},
		{UnclesHash, v.unclesHash, v.oddUncles},
		{LogsBloom, v.logsBloom, v.oddReceipts},
		{TransactionHashes, v.transactionHashes, v.oddTransactions},
		{Senders, v.senders, v.oddTransactions},
		{Contents, v.contents, false},
	} {
		if checks&c.check == 0 {
			continue
		}
		why := c.make()
		switch {
		case why == "":
			v.verdict.Passed |= c.check
		case c.excused:
			v.verdict.NotComputable |= c.check
		default:
			v.verdict.Failed |= c.check
			if v.verdict.Why == "" {
				v.verdict.Why = why
			}
		}
	}
	b.Verdict = v.verdict
	return v.verdict
}

// A verifier holds what several checks of one block need.
type verifier struct {
	b       *Block
	verdict Verdict

	// whether a part has fields or types that are unknown here
	oddTransactions, oddReceipts, oddWithdrawals, oddUncles bool
	unknownTypes                                            bool

	encoded [][]byte // transactions
	blooms  []Bloom  // receipts
}

func (v *verifier) survey() {
	v.encoded = make([][]byte, len(v.b.Transactions))
	v.blooms = make([]Bloom, len(v.b.Transactions))
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		v.unknownTypes = v.unknownTypes || !tx.known()
		v.oddTransactions = v.oddTransactions || tx.unknown || !tx.known()
		v.oddReceipts = v.oddReceipts || tx.Receipt.unknown || !tx.known()
		for j := range tx.Receipt.Logs {
			v.oddReceipts = v.oddReceipts || tx.Receipt.Logs[j].unknown
		}
		if tx.known() {
			v.encoded[i] = tx.appendConsensus(nil)
		}
		v.blooms[i] = tx.Receipt.computeBloom()
	}
	for i := range v.b.Withdrawals {
		v.oddWithdrawals = v.oddWithdrawals || v.b.Withdrawals[i].unknown
	}
	for i := range v.b.Uncles {
		v.oddUncles = v.oddUncles || v.b.Uncles[i].unknown
	}
}

func differs(what string, got, want common.Hash) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%s is %s by the data, %s by the block", what, got, want)
}

func (v *verifier) headerHash() string {
	return differs("header hash", v.b.Header.hash(), v.b.Hash)
}

func (v *verifier) transactionsRoot() string {
	if v.unknownTypes {
		return "transaction of an unknown type"
	}
	return differs("transactions root", listRoot(v.encoded), v.b.TransactionsRoot)
}

func (v *verifier) receiptsRoot() string {
	encoded := make([][]byte, len(v.b.Transactions))
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		encoded[i] = tx.Receipt.appendConsensus(nil, tx.Type, &v.blooms[i])
	}
	return differs("receipts root", listRoot(encoded), v.b.ReceiptsRoot)
}

func (v *verifier) withdrawalsRoot() string {
	if v.b.WithdrawalsRoot == nil {
		if len(v.b.Withdrawals) > 0 {
			return "withdrawals in a block without a withdrawals root"
		}
		return ""
	}
	encoded := make([][]byte, len(v.b.Withdrawals))
	for i := range v.b.Withdrawals {
		encoded[i] = v.b.Withdrawals[i].appendRLP(nil)
	}
	return differs("withdrawals root", listRoot(encoded), *v.b.WithdrawalsRoot)
}

func (v *verifier) unclesHash() string {
	for i := range v.b.Uncles {
		if why := differs("uncle's header hash", v.b.Uncles[i].hash(), v.b.Uncles[i].Hash); why != "" {
			return why
		}
	}
	return differs("uncles hash", unclesHash(v.b.Uncles), v.b.UnclesHash)
}

func (v *verifier) logsBloom() string {
	var all Bloom
	for i := range v.blooms {
		given := v.b.Transactions[i].Receipt.LogsBloom
		if given != nil && *given != v.blooms[i] {
			return fmt.Sprintf("logs bloom of receipt %d is not that of its logs", i)
		}
		all.or(&v.blooms[i])
	}
	if all != v.b.LogsBloom {
		return "logs bloom of the block is not that of its logs"
	}
	return ""
}

func (v *verifier) transactionHashes() string {
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if !tx.known() {
			return "transaction of an unknown type"
		}
		if why := differs("transaction hash", crypto.Keccak256Hash(v.encoded[i]), tx.Hash); why != "" {
			return why
		}
	}
	return ""
}

func (v *verifier) senders() string {
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if !tx.known() {
			return "transaction of an unknown type"
		}
		if from, ok := tx.sender(); !ok {
			return fmt.Sprintf("signature of transaction %d is not valid", i)
		} else if from != tx.From {
			return fmt.Sprintf("transaction %d is signed by %s, not by %s", i, from, tx.From)
		}
	}
	return ""
}

func (v *verifier) contents() string {
	if v.b.inconsistent != "" {
		return v.b.inconsistent
	}
	before := uint64(0)
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		r := &tx.Receipt
		if r.CumulativeGasUsed-before != r.GasUsed {
			return fmt.Sprintf("receipt %d: gas used is not what the cumulative gas says", i)
		}
		before = r.CumulativeGasUsed
		if !tx.known() {
			continue
		}
		if r.ContractAddress != nil && (tx.To != nil || *r.ContractAddress != crypto.CreateAddress(tx.From, tx.Nonce)) {
			return fmt.Sprintf("receipt %d: contract address does not follow from sender and nonce", i)
		}
		if want := tx.pricePaid(v.b.BaseFeePerGas); r.EffectiveGasPrice != nil && want != nil && !r.EffectiveGasPrice.Eq(want) {
			return fmt.Sprintf("receipt %d: effective gas price is %s, not %s", i, r.EffectiveGasPrice.Dec(), want.Dec())
		}
	}
	return ""
}

// pricePaid is the price per gas that the sender pays (EIP-1559), or nil if the
// fields don't say.
func (t *Transaction) pricePaid(baseFee *uint256.Int) *uint256.Int {
	if t.Type < dynamicFeeType {
		return t.GasPrice
	}
	if baseFee == nil || t.MaxFeePerGas == nil || t.MaxPriorityFeePerGas == nil {
		return nil
	}
	price, overflow := new(uint256.Int).AddOverflow(baseFee, t.MaxPriorityFeePerGas)
	if overflow || price.Gt(t.MaxFeePerGas) {
		return t.MaxFeePerGas
	}
	return price
}
