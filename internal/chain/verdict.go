package chain

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
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
	NotComputable Check // mismatch that is one of the chain: see [Exemption]
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
