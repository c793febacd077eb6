package node_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

func forkAt(number uint64) *recorded.Chain {
	return devchain.Build(devchain.Spec{Blocks: 60, Transactions: 1, Logs: 1, Fork: number, Salt: "fork"})
}

func (p *pair) disagreements(t *testing.T, endpoint string) (count float64) {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gapless_endpoint_disagreements_total" && m.GetLabel()[0].GetValue() == endpoint {
				count = m.GetCounter().GetValue()
			}
		}
	}
	return count
}

func TestBlockOfAnotherForkIsNotReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) {
			for _, number := range []uint64{5, 12, 13} {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.NullReceipts}
			}
		})
		set(p.b, func(n *nodetest.Node) { n.Chain = forkAt(10) })
		results := p.blocks(t, 1, 20)
		for _, r := range results {
			if want := r.Number != 12 && r.Number != 13; want != (r.Err == nil) {
				t.Errorf("block %d: %v", r.Number, r.Err)
			}
		}
		if got := p.disagreements(t, "127.0.0.1#2"); got != 2 || strings.Count(p.log.String(), "endpoints disagree") != 1 {
			t.Errorf("%v disagreements\n%s", got, &p.log)
		}
		if s := p.State()[1]; s.DisputedAt == 0 {
			t.Errorf("state %+v", s)
		}
		// With the first one away there is nothing to compare with.
		set(p.a, func(n *nodetest.Node) { n.Down = true })
		verified(t, p.blocks(t, 12, 13), nil, 2)
	})
}

// A leader whose header is not even one does not keep out the right block.
func TestWrongHeaderOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.blocks(t, 1, 2)
		set(p.a, func(n *nodetest.Node) { n.Faults[5] = fault(nodetest.WrongHash) })
		p.blocks(t, 5, 5)
		p.Reject(5)
		verified(t, p.blocks(t, 5, 5), nil, 1)
	})
}

func TestDisagreementIsNoticedWhileFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		w, stop := follow(t, p.Node)
		defer stop()
		set(p.b, func(n *nodetest.Node) { n.Chain = forkAt(10) })
		mine(p.a, time.Second, 30)
		mine(p.b, time.Second, 31)
		time.Sleep(5 * time.Second)
		if got := p.disagreements(t, "127.0.0.1#2"); got == 0 || strings.Count(p.log.String(), "endpoints disagree") != 1 {
			t.Errorf("%v disagreements\n%s", got, &p.log)
		}
		h, err := p.Head(t.Context())
		if err != nil || h.Hash != p.a.Chain.Block(30).Hash || p.leads() != 1 {
			t.Errorf("head %v, %v", h, err)
		}
		set(p.b, func(n *nodetest.Node) { n.Chain = p.a.Chain })
		mine(p.a, time.Second, 33)
		mine(p.b, time.Second, 34)
		time.Sleep(5 * time.Second)
		if p.State()[1].DisputedAt != 0 || !strings.Contains(p.log.String(), "endpoints agree again") {
			t.Errorf("state %+v\n%s", p.State()[1], &p.log)
		}
		if last := w.heads[len(w.heads)-1]; last != 33 {
			t.Errorf("heads %v", w.heads)
		}
	})
}
