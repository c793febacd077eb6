package indexer_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

const anvil = "anvil/v1.7.1"

// A node that falls back is waited for, whatever it had shown before and however
// often the program is started again. It goes on where the chain goes on, and
// another block in a stored one's place is a reorg.
func TestNodeFallsBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		start   uint64
		to      uint64
		syncing uint64
		fails   []uint64 // missing all the while
	}{
		{name: "by some blocks", to: 22},
		{name: "and syncs", to: 22, syncing: 30},
		{name: "to genesis", to: 0},
		{name: "to genesis and syncs", to: 0, syncing: 30},
		{name: "to the start block", start: 10, to: 10},
		{name: "below the start block", start: 10, to: 5},
		{name: "to a missing block", to: 22, fails: []uint64{21, 22, 23}},
		{name: "below missing blocks at the top", to: 28, fails: []uint64{29, 30}},
		{name: "among missing blocks at the top", to: 29, fails: []uint64{28, 29, 30}},
		{name: "below all that is stored", start: 5, to: 7, fails: []uint64{5, 6, 7, 8, 9}},
	} {
		for _, url := range []string{near, away} {
			t.Run(tt.name+" of "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := devchain.Build(spec(35))
					b := newBench(t, c)
					b.url, b.from = url, tt.start
					b.fake.Do(func(n *nodetest.Node) {
						n.Head = 30
						for _, number := range tt.fails {
							n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
						}
					})
					b.start()
					after(30 * time.Second)
					b.fake.Do(func(n *nodetest.Node) { n.Head, n.Syncing = tt.to, tt.syncing })
					for range 3 {
						after(5 * time.Minute)
						b.keeps(30, len(tt.fails), tt.start)
						if s := b.indexer.Status(); !s.Lagging || s.ChainHead != tt.to {
							t.Errorf("status %+v", s)
						}
						b.must(ignore(b.stop()))
						b.start()
					}
					after(time.Minute)
					for head := tt.to; head < 30; head++ { // it comes back, block by block
						b.fake.Do(func(n *nodetest.Node) { n.Head = head })
						after(time.Second)
					}
					b.keeps(30, len(tt.fails), tt.start)
					b.fake.Do(func(n *nodetest.Node) {
						n.Head, n.Syncing = 35, 0
						clear(n.Faults)
					})
					after(80 * time.Minute)
					b.equals(c, numbersBelow(tt.start)...)
					if s := b.indexer.Status(); s.Lagging || s.State != "following" {
						t.Errorf("status %+v", s)
					}
					for _, row := range b.journal() {
						if row[:5] == "reorg" {
							t.Errorf("journal has %q", row)
						}
					}
				})
			})
		}
	}
}

// keeps checks that nothing of the file is gone.
func (b *bench) keeps(last uint64, missing int, start uint64) {
	b.t.Helper()
	b.runs()
	next, err := b.store.Next(b.t.Context())
	b.must(err)
	rows, err := b.store.CountMissing(b.t.Context(), 0, 1<<40)
	b.must(err)
	stored, err := b.store.HashesBetween(b.t.Context(), 0, 1<<40)
	b.must(err)
	if next != last+1 || int(rows) != missing || len(stored) != int(last+1-start)-missing {
		b.t.Errorf("next block is %d, %d stored and %d missing; want %d, %d", next, len(stored), rows, last+1, missing)
	}
}

// A node that fell back and then shows another block at a stored height is
// followed, also while it is lower than the file.
func TestNodeFallsBackAndTakesAnotherBranch(t *testing.T) {
	for _, head := range []int{22, 30, 33} {
		for _, url := range []string{near, away} {
			t.Run(fmt.Sprintf("%d of %s", head, url), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, devchain.Build(spec(30)))
					b.url = url
					b.start()
					after(30 * time.Second)
					b.fake.Do(func(n *nodetest.Node) { n.Head = 15 })
					after(5 * time.Minute)
					b.keeps(30, 0, 0)
					other := devchain.Build(forked(head, 20))
					b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = other, other.Last() })
					after(2 * time.Minute)
					b.runs()
					b.equals(other)
				})
			})
		}
	}
}

// Blocks that the file has no block of are no sign of another branch: those that
// are stored above them stay.
func TestNodeFallsBackAmongMissingBlocksWhileItReorganises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(40))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 30
			for number := uint64(10); number <= 15; number++ {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
			}
		})
		b.start()
		after(10 * time.Second)
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(forked(12, 10)), 12 })
		after(5 * time.Minute)
		b.keeps(30, 6, 0)
	})
}

// With several endpoints one that is behind loses nothing, even if it leads and
// takes blocks back on purpose, while another has what it lacks.
func TestLeaderFallsBack(t *testing.T) {
	for _, client := range []string{"", anvil} {
		for _, url := range []string{near, away} {
			t.Run(client+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := twoNodes(t, url, 60, 30)
					if client != "" {
						b.fake.Do(func(n *nodetest.Node) { n.Client = client })
						b.other.Do(func(n *nodetest.Node) { n.Client = client })
					}
					b.start()
					after(30 * time.Second)
					b.heads(29, 30) // not so much less that the other one leads
					after(5 * time.Minute)
					b.keeps(30, 0, 0)
					b.must(ignore(b.stop()))
					b.start()
					b.heads(3, 30)
					after(5 * time.Minute)
					b.keeps(30, 0, 0)
					b.heads(3, 40)
					after(5 * time.Minute)
					b.keeps(40, 0, 0)
				})
			})
		}
	}
}

// A run that ends at the node's head ends once the file is the node's chain up to
// there, and else says why it is not. One that ends at a number that is there
// needs no node for that.
func TestUntilWithAShorterChain(t *testing.T) {
	branch := devchain.Build(forked(25, 20))
	behind := func(err error) bool { return errors.As(err, new(*indexer.LaggingError)) }
	fine := func(err error) bool { return err == nil }
	for _, tt := range []struct {
		name   string
		client string
		now    *recorded.Chain
		until  uint64
		latest bool
		ends   func(error) bool
		want   *recorded.Chain
	}{
		{"latest, reverted", anvil, devchain.Build(spec(22)), 22, true, fine, devchain.Build(spec(22))},
		{"latest, behind", "Geth/v1.17.10", devchain.Build(spec(22)), 22, true, behind, devchain.Build(spec(30))},
		{"latest, another branch", "Geth/v1.17.10", branch, 25, true, fine, branch},
		{"latest, another branch of the same length", "Geth/v1.17.10", devchain.Build(forked(30, 20)), 30, true, fine, devchain.Build(forked(30, 20))},
		{"latest, the same", "Geth/v1.17.10", devchain.Build(spec(30)), 30, true, fine, devchain.Build(spec(30))},
		{"a number, reverted", anvil, devchain.Build(spec(22)), 20, false, fine, devchain.Build(spec(22))},
		{"a number, behind", "Geth/v1.17.10", devchain.Build(spec(22)), 28, false, fine, devchain.Build(spec(30))},
		{"a number, another branch", "Geth/v1.17.10", branch, 25, false, fine, branch},
	} {
		for _, url := range []string{near, away} {
			t.Run(tt.name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, devchain.Build(spec(30)))
					b.url = url
					b.fake.Do(func(n *nodetest.Node) { n.Client = tt.client })
					b.start()
					after(30 * time.Second)
					b.must(ignore(b.stop()))
					b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = tt.now, tt.now.Last() })
					b.until, b.latest = &tt.until, tt.latest
					b.start()
					after(2 * time.Minute)
					select {
					case err := <-b.ended:
						if !tt.ends(err) {
							t.Errorf("ended with %v", err)
						}
						b.ended <- nil
					default:
						t.Error("has not ended")
					}
					b.equals(tt.want)
				})
			})
		}
	}
}

// A node that comes back meanwhile was only behind for a moment.
func TestUntilLatestWithANodeThatIsBehindForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.url = away
		b.start()
		after(30 * time.Second)
		b.must(ignore(b.stop()))
		b.fake.Do(func(n *nodetest.Node) { n.Head = 29 })
		b.until, b.latest = new(uint64(29)), true
		b.start()
		after(5 * time.Second)
		b.runs()
		b.fake.Do(func(n *nodetest.Node) { n.Head = 30 })
		after(10 * time.Second)
		b.endsWith(nil)
		b.equals(c)
	})
}

// The node goes away once it has given the last block: that is there.
func TestUntilLatestWithANodeThatGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 29 })
		b.start()
		after(10 * time.Second)
		b.must(ignore(b.stop()))
		b.until, b.latest = new(uint64(30)), true
		b.fetched = func() { b.fake.Do(func(n *nodetest.Node) { n.Down = true }) }
		b.fake.Do(func(n *nodetest.Node) { n.Head = 30 })
		b.start()
		after(30 * time.Second)
		b.endsWith(nil)
		b.equals(c)
	})
}

// A node that falls back while the program catches up leaves no rows behind, and
// nothing that is stored goes.
func TestNodeFallsBackWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(300))
		b := newBench(t, c)
		var fetches atomic.Int64
		b.fetched = func() {
			if fetches.Add(1) == 16 {
				b.fake.Do(func(n *nodetest.Node) { n.Head = 20 })
			}
		}
		b.start()
		after(5 * time.Minute)
		next, err := b.store.Next(t.Context())
		b.must(err)
		if next <= 21 {
			t.Fatalf("next block is %d: the node fell back too early to tell", next)
		}
		b.keeps(next-1, 0, 0)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 300 })
		after(20 * time.Second)
		b.equals(c)
		for _, row := range b.journal() {
			if row[:6] != "blocks" {
				t.Errorf("journal has %q", row)
			}
		}
	})
}
