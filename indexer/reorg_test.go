package indexer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

func TestReorg(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fork  uint64 // first block that differs
		old   int    // head of the old chain
		new   int    // head of the new
		fails []uint64
		url   string
	}{
		{name: "depth 1", fork: 30, old: 30, new: 31},
		{name: "same height", fork: 30, old: 30, new: 30},
		{name: "deep", fork: 3, old: 180, new: 181},
		{name: "to a shorter chain", fork: 20, old: 30, new: 25},
		{name: "much longer", fork: 20, old: 30, new: 300},
		{name: "gap below the fork", fork: 20, old: 30, new: 31, fails: []uint64{15}},
		{name: "gap at the fork", fork: 20, old: 30, new: 31, fails: []uint64{20}},
		{name: "gap above the fork", fork: 20, old: 30, new: 31, fails: []uint64{25}},
		{name: "gap at the tip", fork: 20, old: 30, new: 31, fails: []uint64{28, 29, 30}},
		{name: "gap around the fork", fork: 20, old: 30, new: 31, fails: []uint64{18, 19, 20, 21}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(tt.old)), devchain.Build(forked(tt.new, tt.fork))
				b := newBench(t, before)
				b.fake.Do(func(n *nodetest.Node) {
					for _, number := range tt.fails {
						n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
					}
				})
				b.start()
				after(10 * time.Second)
				b.equals(before, tt.fails...)
				b.fake.Do(func(n *nodetest.Node) {
					n.Chain, n.Head = now, now.Last()
					clear(n.Faults)
				})
				after(20 * time.Second)
				b.equalsOrMissing(now)
				after(time.Minute)
				b.equals(now)
			})
		})
	}
}

// equalsOrMissing compares what is stored, leaving open what is missing.
func (b *bench) equalsOrMissing(c *recorded.Chain) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	for i := range c.Blocks {
		got, err := b.store.Block(ctx, c.Blocks[i].Number)
		if err == nil && got.Hash != c.Blocks[i].Hash {
			b.t.Errorf("block %d is %s, want %s", got.Number, got.Hash, c.Blocks[i].Hash)
		}
	}
}

// The file was pruned while the chain was followed: a reorg is followed down to
// the new start block, and one that leaves that too is a reset.
func TestReorgOfAPrunedFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fork  uint64 // first block that differs
		reset bool
	}{
		{"above the start block", 20, false},
		{"the block above it", 12, true},
		{"below it", 5, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := devchain.Build(forked(40, tt.fork))
				b := newBench(t, devchain.Build(spec(30)))
				b.start()
				after(10 * time.Second)
				_, err := b.store.Prune(t.Context(), 11)
				b.must(err)
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, now.Last() })
				after(time.Minute)
				if tt.reset {
					b.endsWith(indexer.ErrReset)
					return
				}
				b.runs()
				b.equals(now, numbersBelow(11)...)
			})
		})
	}
}

// The new chain's first block fails: the fork is followed all the same.
func TestReorgToABlockThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, now := devchain.Build(spec(30)), devchain.Build(forked(31, 25))
		b := newBench(t, before)
		b.start()
		after(5 * time.Second)
		b.fake.Do(func(n *nodetest.Node) {
			n.Chain, n.Head = now, 31
			n.Faults[25] = &nodetest.Fault{Kind: nodetest.NullReceipts}
		})
		after(10 * time.Second)
		b.equals(now, 25)
		b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
		after(10 * time.Minute)
		b.equals(now)
	})
}

// becomes makes the node serve another chain once it is asked for a block, in
// the middle of its answer: what it gives of that block is still of the old one,
// what comes after it in the batch is of the new.
func becomes(n *nodetest.Node, number uint64, chains ...*recorded.Chain) {
	n.FaultFunc = func(asked uint64) *nodetest.Fault {
		if asked == number && len(chains) > 0 {
			n.Chain, n.Head = chains[0], chains[0].Last()
			chains = chains[1:]
		}
		return nil
	}
}

func TestReorgWhileCatchingUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		fork uint64
		at   uint64 // block that is asked for when the chain changes
		new  int
	}{
		{"below what is fetched", 100, 180, 310},
		{"in the batch", 180, 180, 310},
		{"after the block in the batch", 181, 180, 310},
		{"above what is fetched", 280, 180, 310},
		{"deep below", 2, 250, 310},
		{"to a shorter chain", 100, 180, 200},
		{"at the end", 299, 300, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(300)), devchain.Build(forked(tt.new, tt.fork))
				b := newBench(t, before)
				b.fake.Do(func(n *nodetest.Node) { becomes(n, tt.at, now) })
				b.start()
				after(20 * time.Second)
				b.equalsOrMissing(now)
				after(time.Minute)
				b.equals(now)
			})
		})
	}
}

// A torn source gives a block, and others that are asked for with it, only when
// it has given higher ones, and changes the chain before.
type torn struct {
	source
	number         uint64
	above          chan struct{} // closed when higher ones were given
	given, changed sync.Once
	change         func()
}

func (s *torn) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	if slices.Contains(numbers, s.number) {
		<-s.above
		s.changed.Do(s.change)
	}
	results, err := s.source.Blocks(ctx, numbers, most)
	if numbers[0] > s.number {
		s.given.Do(func() { close(s.above) })
	}
	return results, err
}

// The chain changes before anything is stored: what was fetched does not fit
// together, and is fetched again. Nothing was reset. Block 0 may have been stored
// by itself already, so that it takes more than one try.
func TestReorgBeforeTheFirstCommit(t *testing.T) {
	first := false
	for tries := 0; tries < 20 && !first; tries++ {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, devchain.Build(spec(300)))
			now := devchain.Build(forked(310, 2))
			b.through = func(s source) indexer.Source {
				return &torn{source: s, number: 150, above: make(chan struct{}), change: func() {
					next, err := b.store.Next(t.Context())
					if first = next == 0; err != nil {
						t.Error(err)
					}
					b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, now.Last() })
				}}
			}
			b.start()
			after(time.Minute)
			b.runs()
			b.equals(now)
		})
	}
	if !first {
		t.Error("something was stored each time")
	}
}

// While the file is moved to a new chain there is a newer one.
func TestReorgTwiceInARow(t *testing.T) {
	first, second, third := spec(30), forked(33, 20), spec(35)
	third.Fork, third.Salt = 20, "third"
	for _, tt := range []struct {
		name string
		fork uint64 // of the third from the first
		at   uint64 // block of the second that is asked for when the third comes
	}{{"at the same block", 20, 20}, {"lower", 12, 21}, {"higher", 25, 22}, {"at its head", 33, 33}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				third := third
				third.Fork = tt.fork
				b := newBench(t, devchain.Build(first))
				b.start()
				after(10 * time.Second)
				now := devchain.Build(third)
				b.fake.Do(func(n *nodetest.Node) {
					n.Chain, n.Head = devchain.Build(second), 33
					becomes(n, tt.at, now)
				})
				after(30 * time.Second)
				b.runs()
				b.equals(now)
			})
		})
	}
}

// A node that goes back and forth between two chains is followed to the one with
// which it stays.
func TestReorgBackAndForth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := devchain.Build(spec(30)), devchain.Build(forked(30, 25))
		b := newBench(t, one)
		b.start()
		after(5 * time.Second)
		for i := range 40 {
			b.fake.Do(func(n *nodetest.Node) { n.Chain = []*recorded.Chain{other, one}[i%2] })
			after(time.Duration(i*37) * time.Millisecond)
		}
		b.fake.Do(func(n *nodetest.Node) { n.Chain = other })
		after(20 * time.Second)
		b.runs()
		b.equals(other)
	})
}

// The chain forks while a missing block is on its way.
func TestReorgWhileAGapIsFilled(t *testing.T) {
	for _, gap := range []uint64{15, 19, 20, 25, 30} {
		t.Run(fmt.Sprint(gap), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(30)), devchain.Build(forked(32, 20))
				b := newBench(t, before)
				b.fake.Do(func(n *nodetest.Node) { n.Faults[gap] = &nodetest.Fault{Kind: nodetest.RPCError} })
				var whole atomic.Bool
				var forks sync.Once
				b.fetched = func() {
					if !whole.Load() {
						return
					}
					// It is the missing block, as nothing else is to be had.
					forks.Do(func() { b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, 32 }) })
					time.Sleep(time.Second) // the fork is followed meanwhile
				}
				b.start()
				after(5 * time.Second)
				b.equals(before, gap)
				b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
				whole.Store(true)
				after(30 * time.Second)
				b.equalsOrMissing(now)
				after(10 * time.Minute)
				b.equals(now)
			})
		})
	}
}

// A node that gives a block of another chain below its head, and the right one
// later, while its head stays: the file has the right one then.
func TestTipIsOfAnotherChainBelowTheSameHead(t *testing.T) {
	for _, url := range []string{near, away} {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(30))
				mixed := *c
				mixed.Blocks = slices.Clone(c.Blocks)
				mixed.Blocks[28] = devchain.Build(forked(28, 28)).Blocks[28]
				b := newBench(t, &mixed)
				b.url = url
				b.fake.Do(func(n *nodetest.Node) {
					n.Faults[29], n.Faults[30] = &nodetest.Fault{Kind: nodetest.NullReceipts}, &nodetest.Fault{Kind: nodetest.NullReceipts}
				})
				b.start()
				after(30 * time.Second)
				b.equals(&mixed, 29, 30)
				b.fake.Do(func(n *nodetest.Node) { n.Chain = c })
				after(5 * time.Minute)
				b.equals(c, 29, 30)
			})
		})
	}
}
