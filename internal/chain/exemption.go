package chain

import (
	"slices"
	"strings"
)

// An Exemption says that a check can't be computed on a chain, from a block on.
// It is a property of the chain, and never one of a block: [Probes] find it out.
type Exemption struct {
	Check Check
	About string // as in [Finding]
	From  uint64 // the lowest block that it holds for; it holds for genesis too
}

// String names what can't be computed.
func (e Exemption) String() string { return subject(e.Check, e.About) }

// Exemptions are those of a chain.
type Exemptions []Exemption

// Cover reports whether a finding about a block is one of the chain. Genesis
// shows nothing, as it often is made by other rules, and follows the rest.
func (e Exemptions) Cover(number uint64, f Finding) bool {
	return !f.Spoiled && slices.ContainsFunc(e, func(x Exemption) bool {
		return x.Check == f.Check && x.About == f.About && (number >= x.From || number == 0)
	})
}

// From gives the block from which on a finding like this is exempted, if it is.
func (e Exemptions) From(f Finding) (from uint64, ok bool) {
	for _, x := range e {
		if x.Check == f.Check && x.About == f.About {
			return x.From, true
		}
	}
	return 0, false
}

// Type gives the type of the transactions that it is about, if it is about those
// of one.
func (e Exemption) Type() (txType uint64, ok bool) { return typeIn(e.About) }

// With adds an exemption. Of two that differ in their block, the lower holds.
func (e Exemptions) With(added Exemption) Exemptions {
	e = slices.Clone(e)
	for i := range e {
		if e[i].Check == added.Check && e[i].About == added.About {
			e[i].From = min(e[i].From, added.From)
			return e
		}
	}
	return append(e, added)
}

// Verify makes the given checks of a whole block, and sets and returns its
// verdict: what is exempted counts as not computable.
func (e Exemptions) Verify(b *Block, checks Check) Verdict {
	v := verifiers.Get().(*verifier)
	defer v.free()
	v.examine(b, checks)
	b.Verdict = e.verdict(b.Number, checks, v.found)
	return b.Verdict
}

func (e Exemptions) verdict(number uint64, checks Check, found []Finding) (v Verdict) {
	v.Passed = checks
	excused := ""
	for _, f := range found {
		v.Passed &^= f.Check
		switch {
		case !e.Cover(number, f):
			if v.Failed == 0 {
				v.Why = f.Why
			}
			v.Failed |= f.Check
		default:
			if v.NotComputable == 0 {
				excused = subject(f.Check, f.About) + " can't be computed on this chain: " + f.Why
			}
			v.NotComputable |= f.Check
		}
	}
	v.NotComputable &^= v.Failed
	if v.Failed == 0 {
		v.Why = excused
	}
	return v
}

// The beginnings of the names of clients whose rules are known here. op-geth
// calls itself Geth.
var knownClients = []string{
	"geth", "op-geth", "anvil", "hardhat", "ganache", "ethereumjs testrpc", "besu", "erigon", "op-erigon", "nethermind", "reth", "op-reth",
}

// KnownClient reports whether this program knows all rules of a client, by what
// that answers to web3_clientVersion. GoQuorum calls itself Geth, and is none.
func KnownClient(version string) bool {
	version = strings.ToLower(version)
	return !strings.Contains(version, "quorum") &&
		slices.ContainsFunc(knownClients, func(name string) bool { return strings.HasPrefix(version, name) })
}
