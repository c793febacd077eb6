package store

import (
	"fmt"
	"slices"

	"gapless/internal/chain"
)

// A proof says of the blocks, in their order, what comes of their checks. It
// believes no verdict: which checks can't be computed on the chain is found out
// from the blocks, as when they were indexed.
type proof struct {
	exempt  chain.Exemptions
	known   bool // the client is one whose rules are known
	allowed bool // wrong blocks may be there, if they say so
	probes  chain.Probes
	waiting []*waiting // blocks that may be exempted by later ones
}

// A waiting block has findings that are not decided.
type waiting struct {
	number  uint64
	open    []chain.Finding
	counted bool // as one that is not computable
}

// add gives the faults of a block, also of earlier ones that are decided by it,
// and counts.
func (p *proof) add(l *loaded, done *Checked) (faults []Fault) {
	stored, number := l.row.verdict, l.block.Number
	if why := contradictory(stored); why != "" {
		return []Fault{{Verified, number, why}}
	}
	w := &waiting{number: number}
	wrong, known, bad := chain.Check(0), chain.Check(0), chain.ChecksOf(l.findings)
	why := ""
	for _, f := range l.findings {
		switch {
		case p.allowed && stored.Failed&f.Check != 0:
			known |= f.Check
		case stored.Passed&f.Check == 0 && p.exempt.Cover(number, f):
			p.count(w, f, done)
		case stored.Passed&f.Check == 0 && f.Excusable(p.known):
			w.open = append(w.open, f)
		default:
			if wrong == 0 {
				why = f.Why
			}
			wrong |= f.Check
		}
	}
	if known != 0 {
		done.KnownWrong++
		done.countWrong(known)
	}
	switch {
	case wrong != 0:
		faults = append(faults, Fault{Verified, number, fmt.Sprintf("%s: %s", wrong, why)})
	case stored.Failed&^bad != 0:
		faults = append(faults, Fault{Verified, number, fmt.Sprintf("by its verdict %s failed, which passes now", stored.Failed&^bad)})
	}
	return append(faults, p.decide(l.block, chain.AllChecks&^bad|chain.ChecksOf(w.open), w, done)...)
}

// contradictory says what is impossible about a verdict.
func contradictory(v chain.Verdict) string {
	if twice := v.Passed&v.NotComputable | v.Passed&v.Failed | v.NotComputable&v.Failed; twice != 0 {
		return fmt.Sprintf("its verdict contradicts itself about %s", twice)
	}
	if odd := (v.Passed | v.NotComputable | v.Failed) &^ chain.AllChecks; odd != 0 {
		return fmt.Sprintf("its verdict is of checks that are none: %#x", uint16(odd))
	}
	return ""
}

// decide lets a block show what the chain is like, by the checks that pass or are
// not decided.
func (p *proof) decide(b *chain.Block, checks chain.Check, w *waiting, done *Checked) []Fault {
	if len(w.open) > 0 {
		p.waiting = append(p.waiting, w)
	}
	for _, e := range p.probes.Add(b, checks, w.open) {
		p.exempt = p.exempt.With(e)
	}
	return p.settle(done, func(number uint64, f chain.Finding) bool { return number > 0 && !p.probes.Counts(number, f) })
}

// settle takes what is decided, one way or the other, from the blocks that wait.
func (p *proof) settle(done *Checked, refuted func(number uint64, f chain.Finding) bool) (faults []Fault) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiting) bool {
		w.open = slices.DeleteFunc(w.open, func(f chain.Finding) bool {
			if p.exempt.Cover(w.number, f) {
				p.count(w, f, done)
				return true
			}
			return false
		})
		if i := slices.IndexFunc(w.open, func(f chain.Finding) bool { return refuted(w.number, f) }); i >= 0 {
			faults = append(faults, Fault{Verified, w.number, fmt.Sprintf("%s: %s", w.open[i].Check, w.open[i].Why)})
			return true
		}
		return len(w.open) == 0
	})
	return faults
}

// end gives the faults that no later block can decide.
func (p *proof) end(done *Checked) []Fault {
	return p.settle(done, func(uint64, chain.Finding) bool { return true })
}

// count counts a block for a check that can't be computed.
func (p *proof) count(w *waiting, f chain.Finding, done *Checked) {
	if !w.counted {
		w.counted = true
		done.NotComputable++
	}
	i := slices.IndexFunc(done.Exempt, func(e Exempt) bool { return e.Check == f.Check && e.About == f.About })
	if i < 0 {
		at := slices.IndexFunc(p.exempt, func(e chain.Exemption) bool { return e.Check == f.Check && e.About == f.About })
		done.Exempt = append(done.Exempt, Exempt{Exemption: p.exempt[at]})
		i = len(done.Exempt) - 1
	}
	done.Exempt[i].Blocks++
}

// countWrong counts a block for each check that failed.
func (c *Checked) countWrong(failed chain.Check) {
	if c.Wrong == nil {
		c.Wrong = make(map[chain.Check]uint64)
	}
	for check := chain.Check(1); check < chain.AllChecks; check <<= 1 {
		if failed&check != 0 {
			c.Wrong[check]++
		}
	}
}

// An Exempt counts the blocks to which an exemption applies.
type Exempt struct {
	chain.Exemption
	Blocks uint64
}
