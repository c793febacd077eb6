package chain

import (
	"math/bits"
	"slices"
)

// Probes find out which checks can't be computed on a chain: those that fail
// alike on three blocks, none of which passes since the first of them. A block
// counts for a check only where there is something to compute. The zero value is
// ready. Blocks may come in any order, and more than once.
type Probes struct {
	runs   map[alike]*run
	passed [checkCount]uint64 // the highest block that passed a check; 0 for none
	// The same of the checks that are about transactions, by their type.
	passedTypes [checkCount][setCodeType + 1]uint64
}

const (
	neededProbes = 3    // blocks that fail alike
	mostRuns     = 1000 // bounds what is undecided

	checkCount = 9
	ofTypes    = TransactionsRoot | TransactionHashes | Senders
)

// alike findings have these in common.
type alike struct {
	check Check
	about string
}

// A run is of blocks that fail alike.
type run struct {
	failed []uint64 // in order
	passed uint64   // the highest block that fails otherwise, or not at all
}

// Add takes what was found about a block by the checks that were made, nothing if
// it passes, and gives what is decided by that. What is exempted already, and what
// no chain is like, is not to be given.
func (p *Probes) Add(b *Block, checks Check, found []Finding) (decided []Exemption) {
	p.pass(b, checks, found)
	for _, f := range found {
		of := alike{f.Check, f.About}
		if f.Spoiled || b.Number == 0 || !of.concerns(b) {
			continue
		}
		r := p.run(of)
		r.pass(p.floor(of))
		if r.fail(b.Number); len(r.failed) >= neededProbes {
			decided = append(decided, Exemption{of.check, of.about, r.failed[0]})
			delete(p.runs, of)
		}
	}
	return decided
}

// pass notes what a block passes, and what it fails otherwise than others.
func (p *Probes) pass(b *Block, checks Check, found []Finding) {
	if b.Number == 0 {
		return
	}
	for _, f := range found {
		checks &^= f.Check
		for of, r := range p.runs {
			if of.check == f.Check && of.concerns(b) && !slices.ContainsFunc(found, of.isOf) {
				r.pass(b.Number)
			}
		}
	}
	for rest := checks & AllChecks; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros16(uint16(rest))
		if check := Check(1) << i; check.concerns(b) {
			p.passed[i] = max(p.passed[i], b.Number)
		}
	}
	for i := range b.Transactions {
		if txType := b.Transactions[i].Type; txType <= setCodeType {
			for rest := checks & ofTypes; rest != 0; rest &= rest - 1 {
				at := &p.passedTypes[bits.TrailingZeros16(uint16(rest))][txType]
				*at = max(*at, b.Number)
			}
		}
	}
}

// floor is the highest block that passes what others fail alike.
func (p *Probes) floor(of alike) uint64 {
	i := bits.TrailingZeros16(uint16(of.check))
	switch txType, ofType := typeIn(of.about); {
	case !ofType:
		return p.passed[i]
	case txType <= setCodeType:
		return p.passedTypes[i][txType]
	}
	return 0 // no block passes what is about an unknown type
}

// Counts reports whether a finding about a block may be decided by others yet.
func (p *Probes) Counts(number uint64, f Finding) bool {
	r := p.runs[alike{f.Check, f.About}]
	return r != nil && slices.Contains(r.failed, number)
}

// Passed gives the highest block that passes what was found, 0 if none did.
func (p *Probes) Passed(f Finding) uint64 {
	of := alike{f.Check, f.About}
	if r := p.runs[of]; r != nil {
		return max(r.passed, p.floor(of))
	}
	return p.floor(of)
}

func (p *Probes) run(of alike) *run {
	if p.runs == nil || len(p.runs) >= mostRuns {
		p.runs = make(map[alike]*run)
	}
	r := p.runs[of]
	if r == nil {
		r = new(run)
		p.runs[of] = r
	}
	return r
}

func (r *run) pass(number uint64) {
	r.passed = max(r.passed, number)
	r.failed = slices.DeleteFunc(r.failed, func(n uint64) bool { return n <= r.passed })
}

func (r *run) fail(number uint64) {
	if at, found := slices.BinarySearch(r.failed, number); !found && number > r.passed {
		r.failed = slices.Insert(r.failed, at, number)
	}
}

func (a alike) isOf(f Finding) bool { return f.Check == a.check && f.About == a.about }

// concerns reports whether a block has something to compute for the check. Genesis
// never counts: it is often made by other rules.
func (c Check) concerns(b *Block) bool {
	switch c {
	case HeaderHash, UnclesHash:
		return true
	case WithdrawalsRoot:
		return len(b.Withdrawals) > 0
	case Contents:
		return len(b.Transactions)+len(b.Withdrawals)+len(b.Uncles) > 0
	case LogsBloom:
		for i := range b.Transactions {
			if len(b.Transactions[i].Receipt.Logs) > 0 {
				return true
			}
		}
		return false
	}
	return len(b.Transactions) > 0
}

// concerns is the same of what is about transactions of a type, if it is.
func (a alike) concerns(b *Block) bool {
	txType, ofType := typeIn(a.about)
	if !ofType {
		return a.check.concerns(b)
	}
	for i := range b.Transactions {
		if b.Transactions[i].Type == txType {
			return true
		}
	}
	return false
}
