package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// endsWith waits for the run's end, whose error must be one.
func (b *bench) endsWith(want error) {
	b.t.Helper()
	select {
	case err := <-b.ended:
		if !errors.Is(err, want) {
			b.t.Errorf("ended with %v, want %v", err, want)
		}
		b.ended <- err
	default:
		b.t.Error("has not ended")
	}
}

func (b *bench) runs() {
	b.t.Helper()
	select {
	case err := <-b.ended:
		b.t.Errorf("ended with %v", err)
		b.ended <- err
	default:
	}
}

const (
	near = "http://127.0.0.1:8545"
	away = "http://node.example"
)

func numbersBelow(end uint64) (numbers []uint64) {
	for n := range end {
		numbers = append(numbers, n)
	}
	return numbers
}

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

// A tagged source calls a header finalized whatever chain it serves.
type tagged struct {
	source
	final *atomic.Pointer[chain.Header]
}

func (s tagged) Tag(ctx context.Context, tag string) (*chain.Header, error) {
	if h := s.final.Load(); h != nil && tag == "finalized" {
		return h, nil
	}
	return s.source.Tag(ctx, tag)
}

func TestForkBelowTheFinalizedBlock(t *testing.T) {
	for _, tt := range []struct {
		name  string
		final uint64 // that the node tells after the fork, of the old chain; 0: another
		ends  bool
	}{{"claimed", 25, true}, {"given up", 0, false}, {"told to be lower", 10, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(30)), devchain.Build(forked(32, 20))
				header := func(c *recorded.Chain, number uint64) *chain.Header {
					block, err := c.Blocks[number].Decode()
					if err != nil {
						t.Fatal(err)
					}
					return &block.Header
				}
				var final atomic.Pointer[chain.Header]
				final.Store(header(before, 25))
				b := newBench(t, before)
				b.through = func(s source) indexer.Source { return tagged{s, &final} }
				b.start()
				after(20 * time.Second)
				final.Store(nil)
				if tt.final > 0 {
					final.Store(header(before, tt.final))
				}
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, now.Last() })
				after(20 * time.Second)
				if tt.ends {
					b.endsWith(indexer.ErrFinality)
					b.equals(before)
					return
				}
				b.runs()
				b.equals(now)
			})
		})
	}
}

func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(60))
		b := newBench(t, c)
		var full atomic.Bool
		b.room = func() error {
			if full.Load() {
				return fmt.Errorf("no room: %w", store.ErrFull)
			}
			return nil
		}
		b.fake.Do(func(n *nodetest.Node) { n.Head, n.Faults[7] = 30, &nodetest.Fault{Kind: nodetest.RPCError, Times: 4} })
		b.start()
		after(5 * time.Second)
		full.Store(true)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 60 })
		after(10 * time.Minute)
		b.runs()
		if s := b.indexer.Status(); s.State != "disk is full" || s.Stored != 30 {
			t.Errorf("status %+v", s)
		}
		full.Store(false)
		after(6 * time.Second)
		b.equals(c)
		if s := b.indexer.Status(); s.State != "following" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDiskFullEndsARunWithAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(60)))
		b.room, b.until = func() error { return store.ErrFull }, new(uint64(50))
		b.start()
		after(5 * time.Second)
		b.endsWith(store.ErrFull)
	})
}

// After an outage all that is missing is due at once, also if nothing was asked
// for meanwhile.
func TestOutageEndMakesEverythingDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.recovered = func() { b.worker.RetryAll() }
		b.fake.Do(func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.RPCError} })
		b.start()
		after(18 * time.Minute) // the next retry is far
		b.fake.Do(func(n *nodetest.Node) {
			n.Down = true
			clear(n.Faults)
		})
		after(time.Minute)
		b.fake.Do(func(n *nodetest.Node) { n.Down = false })
		after(5 * time.Second)
		b.equals(c)
	})
}

// The block below a gap can't be looked up: what is above it is missing too, and
// nothing ends or stands still.
func TestNothingSaysWhetherTheBlockBelowAGapStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(40))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 30
			n.Faults[30] = &nodetest.Fault{Kind: nodetest.RPCError}
		})
		b.start()
		after(5 * time.Second)
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 40
			n.Faults[29] = &nodetest.Fault{Kind: nodetest.RPCError}
		})
		after(5 * time.Second)
		b.runs()
		if got := b.indexer.Status().Next; got != 41 {
			t.Errorf("next block is %d", got)
		}
		b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
		after(time.Minute)
		b.equals(c)
	})
}

// A chain that ends earlier while we catch up leaves no rows behind.
func TestRevertWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(300)))
		lower := devchain.Build(spec(60))
		var fetches atomic.Int64
		b.fetched = func() {
			if fetches.Add(1) == 8 {
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 60 })
			}
		}
		b.start()
		after(20 * time.Second)
		b.equals(lower)
		for _, row := range b.journal() {
			if row[:6] == "failed" {
				t.Errorf("journal has %q", row)
			}
		}
	})
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

// What is pruned is tried once, and again when the backoff is at its longest.
// When the node has it after all, it comes in.
func TestPrunedBlocksWait(t *testing.T) {
	for _, way := range []string{"error 4444", "null"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(150))
				b := newBench(t, c)
				b.fake.Do(func(n *nodetest.Node) {
					if way == "null" {
						n.FaultFunc = func(number uint64) *nodetest.Fault {
							if number > 0 && number < 31 {
								return &nodetest.Fault{Kind: nodetest.NullBlock}
							}
							return nil
						}
						return
					}
					n.Lowest = 31
				})
				b.start()
				after(20 * time.Second)
				b.equals(c, numbersBelow(31)[1:]...)
				after(10 * time.Second) // so many nulls are not yet pruned blocks
				row, err := b.store.Failed(t.Context(), 30)
				b.must(err)
				if wait := row.NextRetryAt.Sub(row.LastFailedAt); row.Class != chain.Pruned || row.RetryCount != 1 || wait < 30*time.Minute {
					t.Errorf("class %s, %d tries, next after %s", row.Class, row.RetryCount, wait)
				}
				b.fake.Do(func(n *nodetest.Node) { n.Lowest, n.FaultFunc = 0, nil })
				after(40 * time.Minute)
				b.equals(c)
			})
		})
	}
}
