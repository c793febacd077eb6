package indexer_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

func TestReset(t *testing.T) {
	for _, tt := range []struct {
		name  string
		url   string
		start uint64
		fork  uint64 // first block that is another; 0: the genesis too
		old   int
		reset bool
	}{
		{"genesis", near, 0, 0, 30, true},
		{"genesis elsewhere", away, 0, 0, 30, true},
		{"down to genesis", near, 0, 1, 30, true},
		{"down to genesis elsewhere", away, 0, 1, 30, false},
		{"deep down to genesis elsewhere", away, 0, 1, 140, true},
		{"start block", near, 10, 10, 30, true},
		{"start block elsewhere", away, 10, 10, 30, false},
		{"deep down with the start block elsewhere", away, 10, 10, 140, true},
		{"below the start block elsewhere", away, 10, 4, 30, false},
		{"the only block, elsewhere", away, 30, 30, 30, false},
		{"genesis below the start block", near, 10, 0, 30, true},
		{"genesis below the start block elsewhere", away, 10, 0, 30, true},
		{"down to the start block", near, 10, 11, 30, true},
		{"down to the start block elsewhere", away, 10, 11, 30, false},
		{"deep down to the start block elsewhere", away, 10, 11, 150, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(tt.old)), devchain.Build(forked(tt.old+3, tt.fork))
				b := newBench(t, before)
				b.url, b.from = tt.url, tt.start
				b.start()
				after(30 * time.Second)
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, now.Last() })
				after(3 * time.Minute)
				if !tt.reset {
					b.runs()
					b.equals(now, numbersBelow(tt.start)...)
					return
				}
				b.endsWith(indexer.ErrReset)
				b.equals(before, numbersBelow(tt.start)...) // nothing was deleted
			})
		})
	}
}

// Blocks of a new chain do not push their way down through the file from a gap
// at its top.
func TestResetWithAGapAtTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, now := devchain.Build(spec(30)), devchain.Build(forked(30, 0))
		b := newBench(t, before)
		b.url = away
		b.fake.Do(func(n *nodetest.Node) {
			for number := uint64(26); number <= 30; number++ {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
			}
		})
		b.start()
		after(20 * time.Second)
		b.fake.Do(func(n *nodetest.Node) {
			n.Chain = now
			clear(n.Faults)
		})
		after(10 * time.Minute)
		b.endsWith(indexer.ErrReset)
		b.equals(before, 26, 27, 28, 29, 30)
	})
}

// A remote endpoint that serves another chain for a minute changes nothing.
func TestAnotherChainForAMinute(t *testing.T) {
	for _, id := range []uint64{1337, 1338} {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(40))
				b := newBench(t, c)
				b.url = away
				b.fake.Do(func(n *nodetest.Node) { n.Head = 30 })
				b.start()
				after(20 * time.Second)
				other := devchain.Build(forked(50, 0))
				other.ChainID = id
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = other, 50 })
				after(time.Minute)
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = c, 40 })
				after(2 * time.Minute)
				b.runs()
				b.equals(c)
			})
		})
	}
}

func TestAnotherGenesisEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(30)))
		b.start()
		after(5 * time.Second)
		other := devchain.Build(forked(40, 0))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = other, 40 })
		after(5 * time.Second)
		err := <-b.ended
		if !errors.Is(err, indexer.ErrReset) {
			t.Errorf("ended with %v", err)
		}
		b.ended <- err
	})
}

// What the new chain's node does not have hides no reset.
func TestResetToAChainWithHoles(t *testing.T) {
	for _, tt := range []struct {
		name  string
		old   int
		holes func(number uint64) bool
		alone bool
	}{
		{"one deep block is null", 300, func(number uint64) bool { return number == 100 }, false},
		{"the old blocks are null", 300, func(number uint64) bool { return number > 0 && number < 250 }, false},
		{"all that the file has is null", 20, func(number uint64) bool { return number > 0 && number < 31 }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(tt.old)), devchain.Build(forked(tt.old+220, 1))
				b := newBench(t, before)
				b.url = near
				if tt.alone {
					b.fake.Do(func(n *nodetest.Node) { n.Client = anvil })
				}
				b.start()
				after(30 * time.Second)
				b.fake.Do(func(n *nodetest.Node) {
					n.Chain, n.Head = now, now.Last()
					n.FaultFunc = func(number uint64) *nodetest.Fault {
						if tt.holes(number) {
							return &nodetest.Fault{Kind: nodetest.NullBlock}
						}
						return nil
					}
				})
				after(3 * time.Minute)
				b.endsWith(indexer.ErrReset)
				for n := range before.Blocks { // nothing was deleted
					if _, err := b.store.Block(t.Context(), uint64(n)); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
