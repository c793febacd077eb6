package chain

import "slices"

// Probes find out which checks can't be computed on a chain: those that fail
// alike on three blocks, none of which passes since the first of them. A block
// counts for a check only where there is something to compute. The zero value is
// ready. Blocks may come in any order, and more than once.
type Probes struct {
	runs map[alike]*run
}

const (
	neededProbes = 3    // blocks that fail alike
	mostRuns     = 1000 // bounds what is undecided
)

// alike findings have these in common.
type alike struct {
	check Check
	about string
}

// A run is of blocks that fail alike.
type run struct {
	failed []uint64 // in order
	passed uint64   // the highest block that did not fail since; 0 for none
}

// Open reports whether any check has failed and is not decided yet: then blocks
// that pass are to be added too.
func (p *Probes) Open() bool { return len(p.runs) > 0 }

// Add takes what was found about a block, nothing if it passes, and gives what
// is decided by that. What is exempted already, and what no chain is like, is
// not to be given.
func (p *Probes) Add(b *Block, found []Finding) (decided []Exemption) {
	for of, r := range p.runs {
		if of.concerns(b) && !slices.ContainsFunc(found, of.isOf) {
			r.pass(b.Number)
		}
	}
	for _, f := range found {
		of := alike{f.Check, f.About}
		if !of.concerns(b) || f.Spoiled {
			continue
		}
		r := p.run(of)
		if r.fail(b.Number); len(r.failed) >= neededProbes {
			decided = append(decided, Exemption{of.check, of.about, r.failed[0]})
			delete(p.runs, of)
		}
	}
	return decided
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

// concerns reports whether a block has something to compute for the check. About
// a type, that is a transaction of it. Genesis never counts: it is often made by
// other rules.
func (a alike) concerns(b *Block) bool {
	if b.Number == 0 {
		return false
	}
	switch a.check {
	case HeaderHash, UnclesHash:
		return true
	case WithdrawalsRoot:
		return len(b.Withdrawals) > 0
	case Contents:
		return len(b.Transactions)+len(b.Withdrawals)+len(b.Uncles) > 0
	}
	txType, ofType := typeIn(a.about)
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		switch {
		case a.check == LogsBloom && len(tx.Receipt.Logs) == 0, ofType && tx.Type != txType:
		default:
			return true
		}
	}
	return false
}
