package indexer_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

func TestRevert(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		wait      time.Duration
	}{
		{"loopback", "http://127.0.0.1:8545", 3 * time.Second},
		{"elsewhere", "http://node.example", 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(30))
				b := newBench(t, c)
				b.url = tt.url
				b.start()
				after(10 * time.Second)
				b.equals(c)
				lower := devchain.Build(spec(22))
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 22 })
				after(tt.wait)
				b.equals(lower)
				again := devchain.Build(forked(24, 23))
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = again, 24 })
				after(30 * time.Second)
				b.equals(again)
			})
		})
	}
}

// A node that never showed us our tip is behind; it has not reverted.
func TestNodeBehindChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.start()
		after(10 * time.Second)
		_ = b.stop()
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(spec(25)), 25 })
		b.start()
		after(5 * time.Minute)
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

// A development node that is lower after a start has reverted while we were
// away: it has nobody to be behind of.
func TestRevertWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(40)))
		b.alone = true
		b.start()
		after(5 * time.Second)
		_ = b.stop()
		lower := devchain.Build(spec(35))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 35 })
		b.start()
		after(5 * time.Second)
		b.equals(lower)
	})
}

// So does one that ends earlier while the first blocks of a new file are being
// committed.
func TestRevertWhileTheFirstBlocksAreCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(devchain.Spec{Blocks: 1500}))
		lower := devchain.Build(devchain.Spec{Blocks: 2})
		commits := 0
		b.room = func() error {
			if commits++; commits == 2 {
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 2 })
			}
			return nil
		}
		b.start()
		after(20 * time.Second)
		b.equals(lower)
	})
}
