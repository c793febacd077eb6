package indexer_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

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
