package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
)

// ways are those in which a node says that it has nothing below a number.
var ways = map[string]func(n *nodetest.Node, lowest uint64){
	"error 4444": func(n *nodetest.Node, lowest uint64) { n.Lowest = lowest },
	"null": func(n *nodetest.Node, lowest uint64) {
		n.FaultFunc = below(lowest, nodetest.Fault{Kind: nodetest.NullBlock})
	},
	"receipts, error 4444": func(n *nodetest.Node, lowest uint64) { n.Receipted = lowest },
	"receipts, null": func(n *nodetest.Node, lowest uint64) {
		n.FaultFunc = below(lowest, nodetest.Fault{Kind: nodetest.NullReceipts})
	},
}

func below(lowest uint64, f nodetest.Fault) func(uint64) *nodetest.Fault {
	return func(number uint64) *nodetest.Fault {
		if number == 0 || number >= lowest {
			return nil
		}
		return &f
	}
}

// Whatever a node says of what it does not keep, it is pruned, not asked for
// again for a while, and had elsewhere. The genesis, which all nodes keep, says
// nothing of the rest.
func TestPruned(t *testing.T) {
	for name, prune := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(200)
				set(fake, func(n *nodetest.Node) { prune(n, 31) })
				n := inMemory(t, fake, near)
				results, err := n.Blocks(t.Context(), numbers(0, 50), 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range results[1:31] {
					if chain.ClassOf(r.Err) != chain.Pruned {
						t.Fatalf("block %d: class %s: %v", r.Number, chain.ClassOf(r.Err), r.Err)
					}
				}
				verified(t, append(results[:1], results[31:]...), nil, 21)
				if s := n.State()[0]; s.Lowest != 31 {
					t.Errorf("state %+v", s)
				}
				asked := fake.AskedFor()[7]
				results, err = n.Blocks(t.Context(), []uint64{7}, 0)
				if err != nil || chain.ClassOf(results[0].Err) != chain.Pruned || fake.AskedFor()[7] != asked {
					t.Errorf("%v %v, asked for %d times more", results, err, fake.AskedFor()[7]-asked)
				}
				set(fake, func(n *nodetest.Node) { n.Lowest, n.Receipted, n.FaultFunc = 0, 0, nil }) // its history was brought back
				time.Sleep(11 * time.Minute)
				results, err = n.Blocks(t.Context(), numbers(0, 50), 0)
				verified(t, results, err, 51)
			})
		})
	}
}

// A null is not all there is to pruned: one block that a node fails to give, or
// blocks near the head, may come, and those of a chain that ended are no more.
func TestNullIsNotPruned(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given uint64 // blocks up to it were given
		null  uint64 // those above, up to it, are null
		head  uint64
	}{
		{"a few", 0, 5, 200},
		{"above others", 19, 40, 200},
		{"near the head", 0, 30, 60},
		{"above a head that was lowered", 0, 50, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(200)
				n := inMemory(t, fake, near)
				if _, err := n.Head(t.Context()); err != nil { // it is known to be 200
					t.Fatal(err)
				}
				before, err := n.Blocks(t.Context(), numbers(1, tt.given), 0)
				verified(t, before, err, int(tt.given))
				set(fake, func(n *nodetest.Node) {
					n.Head = tt.head
					n.FaultFunc = below(tt.null+1, nodetest.Fault{Kind: nodetest.NullBlock})
				})
				results, err := n.Blocks(t.Context(), numbers(tt.given+1, 50), 0)
				if err != nil {
					t.Fatal(err)
				}
				if class := chain.ClassOf(results[0].Err); class != chain.NotYet || n.State()[0].Lowest != 0 {
					t.Errorf("class %s, state %+v", class, n.State()[0])
				}
			})
		})
	}
}

func TestEarliest(t *testing.T) {
	for name, prune := range ways {
		for _, tt := range []struct{ lowest, from, want uint64 }{
			{123, 0, 123}, {123, 50, 123}, {123, 123, 123}, {123, 150, 150}, {200, 1, 200}, {0, 0, 0}, {1, 0, 0}, {4, 0, 0},
		} {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(200)
				set(fake, func(n *nodetest.Node) { prune(n, tt.lowest) })
				n := inMemory(t, fake, near)
				got, err := n.Earliest(t.Context(), tt.from, 200)
				if err != nil || got != tt.want {
					t.Errorf("%s below %d: from %d it is %d, want %d: %v", name, tt.lowest, tt.from, got, tt.want, err)
				}
				if calls := fake.Count("eth_getBlockByNumber"); calls > 20 {
					t.Errorf("%d calls", calls)
				}
			})
		}
	}
}

func TestPrunedIsRememberedAndHadElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) { n.Lowest = 15 })
		set(p.b, func(n *nodetest.Node) { n.Lowest = 5 })
		for range 3 {
			results := p.blocks(t, 1, 20)
			verified(t, results[4:], nil, 16)
			for _, r := range results[:4] {
				if chain.ClassOf(r.Err) != chain.Pruned {
					t.Errorf("block %d: %v", r.Number, r.Err)
				}
			}
		}
		if s := p.State(); s[0].Lowest != 15 || s[1].Lowest != 5 {
			t.Errorf("state %+v", s)
		}
		calls := p.a.Count("eth_getBlockByNumber") + p.b.Count("eth_getBlockByNumber")
		p.blocks(t, 1, 4)
		if more := p.a.Count("eth_getBlockByNumber") + p.b.Count("eth_getBlockByNumber") - calls; more != 0 {
			t.Errorf("%d calls for what is pruned", more)
		}
		set(p.a, func(n *nodetest.Node) { n.Lowest = 0 }) // its history was brought back
		time.Sleep(11 * time.Minute)
		verified(t, p.blocks(t, 1, 20), nil, 20)
		if s := p.State(); s[0].Lowest != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// One odd answer does not make all below it pruned.
func TestOnePrunedBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(20)
		for _, number := range []uint64{10, 12} {
			set(fake, func(n *nodetest.Node) {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Code: 4444, Times: 1}
			})
		}
		n := inMemory(t, fake, near)
		if _, err := n.Blocks(t.Context(), numbers(1, 20), 0); err != nil {
			t.Fatal(err)
		}
		results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
		verified(t, results, err, 21)
	})
}

// Odd answers a long time apart make nothing pruned either, however few blocks were
// given.
func TestPrunedBlocksLongApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(20)
		n := inMemory(t, fake, near)
		for _, number := range []uint64{12, 10, 11} {
			time.Sleep(time.Hour)
			set(fake, func(n *nodetest.Node) {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Code: 4444, Times: 1}
			})
			results, err := n.Blocks(t.Context(), numbers(number, number), 0)
			if err != nil || chain.ClassOf(results[0].Err) != chain.Pruned {
				t.Fatal(results, err)
			}
		}
		results, err := n.Blocks(t.Context(), numbers(1, 8), 0)
		verified(t, results, err, 8)
	})
}
