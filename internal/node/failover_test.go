package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
)

func TestFailoverOnEachFailure(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"down", func(n *nodetest.Node) { n.Down = true }},
		{"silent", func(n *nodetest.Node) { n.Every = fault(nodetest.Hang) }},
		{"page", func(n *nodetest.Node) { n.Every = fault(nodetest.HTML) }},
		{"401", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 401} }},
		{"429", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "30"} }},
		{"503", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 503, RetryAfter: "30"} }},
	} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", known ", known), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair(t)
					if known {
						p.blocks(t, 1, 5)
					}
					set(p.a, tt.set)
					start := time.Now()
					verified(t, p.blocks(t, 1, 20), nil, 20)
					h, err := p.Head(t.Context())
					if err != nil || h.Number != 20 || p.leads() != 2 {
						t.Errorf("head %v, %v from %d", h, err, p.leads())
					}
					if took := time.Since(start); took > 10*time.Second {
						t.Errorf("took %s", took)
					}
				})
			})
		}
	}
}

// Both limit us: each pause is waited for, and nothing fails.
func TestBothEndpointsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		for _, n := range []*nodetest.Node{p.a, p.b} {
			set(n, func(n *nodetest.Node) {
				n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "5", Times: 3}
			})
		}
		verified(t, p.blocks(t, 1, 20), nil, 20)
		if _, err := p.Head(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReturnToTheFirst(t *testing.T) {
	for _, following := range []bool{false, true} {
		t.Run(fmt.Sprint("following ", following), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				if following {
					_, stop := follow(t, p.Node)
					defer stop()
					time.Sleep(5 * time.Second)
				}
				set(p.a, func(n *nodetest.Node) { n.Down = true })
				time.Sleep(5 * time.Second)
				p.blocks(t, 1, 3)
				if p.leads() != 2 {
					t.Fatalf("%d leads", p.leads())
				}
				set(p.a, func(n *nodetest.Node) { n.Down = false })
				time.Sleep(5 * time.Second)
				asked := whole(p.a, 2)
				verified(t, p.blocks(t, 1, 3), nil, 3)
				if p.leads() != 1 || whole(p.a, 2) != asked+1 {
					t.Errorf("%d leads", p.leads())
				}
			})
		})
	}
}

func TestFollowMovesWithTheLeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"polling", func(n *nodetest.Node) { n.NoWebSocket = true }},
		{"subscribed", func(*nodetest.Node) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				set(p.a, tt.set)
				set(p.b, tt.set)
				w, stop := follow(t, p.Node)
				defer stop()
				both := func(head uint64) {
					t.Helper()
					set(p.a, func(n *nodetest.Node) { n.Head = head })
					set(p.b, func(n *nodetest.Node) { n.Head = head })
					time.Sleep(1500 * time.Millisecond)
					synctest.Wait()
					if w.heads[len(w.heads)-1] != head {
						t.Errorf("at %d: heads %v", head, w.heads)
					}
				}
				subscribed := func(which int) {
					t.Helper()
					time.Sleep(5 * time.Second)
					if s := p.State(); tt.name == "subscribed" && (!s[which].WebSocket || s[1-which].WebSocket) {
						t.Errorf("state %+v", s)
					}
				}
				subscribed(0)
				both(21)
				set(p.a, func(n *nodetest.Node) { n.Down = true })
				both(22)
				subscribed(1)
				both(23)
				set(p.a, func(n *nodetest.Node) { n.Down = false })
				subscribed(0)
				both(24)
				if p.leads() != 1 {
					t.Errorf("%d leads", p.leads())
				}
				set(p.b, func(n *nodetest.Node) { n.Down = true }) // of no matter
				both(25)
			})
		})
	}
}

// What the first endpoint fails to give in any way is had from the second, in
// the same call.
func TestBlockFromAnotherEndpoint(t *testing.T) {
	for _, f := range []nodetest.Fault{
		{Kind: nodetest.RPCError}, {Kind: nodetest.RPCError, Code: 4444}, {Kind: nodetest.RPCError, Code: -32003},
		{Kind: nodetest.NullBlock}, {Kind: nodetest.NullReceipts}, {Kind: nodetest.EmptyReceipts},
		{Kind: nodetest.RaceReceipts}, {Kind: nodetest.NoAnswer}, {Kind: nodetest.WrongID}, {Kind: nodetest.EmptyResult},
		{Kind: nodetest.Hang}, {Kind: nodetest.TruncatedBody}, {Kind: nodetest.HTML}, {Kind: nodetest.Reset},
	} {
		t.Run(fmt.Sprint(f.Kind, f.Code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				set(p.a, func(n *nodetest.Node) { n.Faults[7] = &f })
				verified(t, p.blocks(t, 1, 20), nil, 20)
				if others := len(p.b.AskedFor()) - 1; whole(p.b, 7) != 1 || others > 0 && f.Kind != nodetest.Hang {
					t.Errorf("the second one was asked for %v", p.b.AskedFor())
				}
			})
		})
	}
}

func TestFailedBlockIsAskedOfAnotherEndpointNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.blocks(t, 1, 3)
		set(p.a, func(n *nodetest.Node) { n.Faults[7] = fault(nodetest.RPCError) })
		set(p.b, func(n *nodetest.Node) { n.Down = true })
		if r := p.blocks(t, 6, 8); r[1].Err == nil || chain.ClassOf(r[1].Err) != chain.BlockError {
			t.Fatal(r[1].Err)
		}
		set(p.b, func(n *nodetest.Node) { n.Down = false })
		time.Sleep(2 * time.Second)
		asked := whole(p.a, 7)
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked || whole(p.b, 7) != 1 {
			t.Errorf("asked %d and %d times", whole(p.a, 7)-asked, whole(p.b, 7))
		}
		// It is forgotten on success.
		set(p.a, func(n *nodetest.Node) { clear(n.Faults) })
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked+1 {
			t.Error("the first one is not asked any more")
		}
		p.Reject(7)
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked+1 || whole(p.b, 7) != 2 {
			t.Error("a rejected block is asked of the one that gave it")
		}
	})
}
