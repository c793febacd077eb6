package node_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/nodetest"
)

func TestEndpointBehindIsNotAskedForWhatItLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.b, func(n *nodetest.Node) { n.Head = 10 })
		_, stop := follow(t, p.Node)
		defer stop()
		time.Sleep(5 * time.Second)
		for _, number := range []uint64{9, 15} {
			set(p.a, func(n *nodetest.Node) { n.Faults[number] = fault(nodetest.RPCError) })
		}
		r := p.blocks(t, 8, 16)
		if r[1].Err != nil || r[7].Err == nil || whole(p.b, 9) != 1 || whole(p.b, 15) != 0 {
			t.Errorf("%v, %v, asked for %v", r[1].Err, r[7].Err, p.b.AskedFor())
		}
		if s := p.State(); s[0].Head != 20 || s[0].Behind || s[1].Head != 10 || !s[1].Behind {
			t.Errorf("state %+v", s)
		}
		set(p.b, func(n *nodetest.Node) { n.Head = 20 })
		time.Sleep(5 * time.Second)
		verified(t, p.blocks(t, 8, 16), nil, 9)
		if p.State()[1].Behind {
			t.Error("still behind")
		}
	})
}

func TestLeaderThatFallsBehind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lag     uint64
		leads   int
		changes int // and back
	}{{"by two", 2, 1, 0}, {"by five", 5, 2, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				w, stop := follow(t, p.Node)
				defer stop()
				time.Sleep(5 * time.Second)
				for range 10 {
					set(p.b, func(n *nodetest.Node) { n.Head++ })
					set(p.a, func(n *nodetest.Node) { n.Head = p.b.Head - tt.lag })
					time.Sleep(time.Second)
				}
				synctest.Wait()
				if p.leads() != tt.leads {
					t.Errorf("%d leads: %+v", p.leads(), p.State())
				}
				set(p.a, func(n *nodetest.Node) { n.Head = 30 })
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if p.leads() != 1 || w.heads[len(w.heads)-1] != 30 {
					t.Errorf("%d leads, heads %v", p.leads(), w.heads)
				}
				if changes := strings.Count(p.log.String(), "another endpoint is followed"); changes != tt.changes {
					t.Errorf("%d changes\n%s", changes, &p.log)
				}
			})
		})
	}
}

// A single wrong head does not make the others be behind.
func TestOneWrongHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		_, stop := follow(t, p.Node)
		defer stop()
		time.Sleep(5 * time.Second)
		set(p.b, func(n *nodetest.Node) { n.Head = 60 })
		time.Sleep(time.Second)
		set(p.b, func(n *nodetest.Node) { n.Head = 20 })
		time.Sleep(5 * time.Second)
		if strings.Contains(p.log.String(), "behind") || p.leads() != 1 {
			t.Errorf("%d leads\n%s", p.leads(), &p.log)
		}
	})
}
