package node_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// An endpoint that gave a wrong block does not lead for a good while, and for
// longer if it does so again.
func TestWrongEndpointDoesNotLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		_, stop := follow(t, p.Node)
		defer stop()
		wrong := func(number uint64) {
			t.Helper()
			p.blocks(t, number, number+1) // from the first
			p.Reject(number)
			p.Reject(number + 1) // at the same time
			if p.leads() != 2 {
				t.Fatalf("%d leads", p.leads())
			}
		}
		leadsAgain := func(after time.Duration) {
			t.Helper()
			time.Sleep(after - time.Minute)
			if p.leads() != 2 {
				t.Fatalf("%d leads before %v", p.leads(), after)
			}
			time.Sleep(2 * time.Minute)
			if p.leads() != 1 {
				t.Fatalf("%d leads after %v", p.leads(), after)
			}
		}
		wrong(5)
		leadsAgain(10 * time.Minute)
		wrong(7)
		leadsAgain(20 * time.Minute)
		if got := strings.Count(p.log.String(), "endpoint gave a wrong block"); got != 2 {
			t.Errorf("it was said %d times\n%s", got, &p.log)
		}
		// It is better than one that does not answer.
		wrong(9)
		set(p.b, func(n *nodetest.Node) { n.Down = true })
		verified(t, p.blocks(t, 1, 3), nil, 3)
		if p.leads() != 1 {
			t.Errorf("%d leads", p.leads())
		}
	})
}

// A block that can't even be decoded, and one whose answer does not end, are wrong
// too.
func TestWhatIsWrong(t *testing.T) {
	for name, f := range map[string]nodetest.Fault{
		"a field of another type": {Kind: nodetest.WrongType}, "a field is missing": {Kind: nodetest.MissingField},
		"receipts of another block": {Kind: nodetest.RaceReceipts}, "an answer without end": {Kind: nodetest.HugeBody},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				set(p.a, func(n *nodetest.Node) { n.Faults[7] = &f })
				verified(t, p.blocks(t, 1, 20), nil, 20)
				if p.leads() != 2 {
					t.Errorf("%d leads", p.leads())
				}
			})
		})
	}
}

// Errors and blocks that are not there are no lies, and two that are wrong stay
// in their order.
func TestWhatIsNotWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) {
			n.Faults[7], n.Faults[8] = fault(nodetest.RPCError), fault(nodetest.NullBlock)
			n.Faults[9] = fault(nodetest.TruncatedBody)
		})
		verified(t, p.blocks(t, 1, 20), nil, 20)
		if p.leads() != 1 {
			t.Errorf("%d leads", p.leads())
		}
		p.Reject(1)
		p.blocks(t, 2, 2) // from the second
		p.Reject(2)
		if p.leads() != 2 {
			t.Errorf("%d leads", p.leads())
		}
	})
}

// With a single endpoint nothing changes.
func TestWrongAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := open(t, node.Options{URLs: []string{near}, Transport: chainOf(5)})
		results, err := n.Blocks(t.Context(), numbers(1, 5), 0)
		verified(t, results, err, 5)
		n.Reject(3)
		results, err = n.Blocks(t.Context(), numbers(1, 5), 0)
		verified(t, results, err, 5)
		if s := n.State()[0]; !s.Leads || !s.Up {
			t.Errorf("state %+v", s)
		}
	})
}
