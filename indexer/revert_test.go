package indexer_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A node that takes blocks back on purpose, by what it says it is or as it was
// told, is followed, wherever it is.
func TestRevert(t *testing.T) {
	for _, tt := range []struct {
		client, onRevert, url string
		wait                  time.Duration
	}{
		{anvil, "", near, 3 * time.Second},
		{anvil, "", away, 2 * time.Minute},
		{"HardhatNetwork/2.29.1/@nomicfoundation", "", near, 3 * time.Second},
		{"Ganache/v7.9.2/EthereumJS TestRPC", "", near, 3 * time.Second},
		{"Geth/v1.17.10", indexer.FollowReverts, near, 3 * time.Second},
		{"Geth/v1.17.10", indexer.FollowReverts, away, 2 * time.Minute},
	} {
		t.Run(tt.client+tt.onRevert+" "+tt.url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(30))
				b := newBench(t, c)
				b.url, b.onRevert = tt.url, tt.onRevert
				b.fake.Do(func(n *nodetest.Node) { n.Client = tt.client })
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

// One that was told to wait is waited for, and so is one that says that it syncs.
func TestRevertIsNotFollowed(t *testing.T) {
	for _, tt := range []struct {
		client, onRevert string
		syncing          uint64
	}{{anvil, indexer.WaitOnReverts, 0}, {anvil, "", 30}, {"Geth/v1.17.10", indexer.FollowReverts, 30}} {
		for _, url := range []string{near, away} {
			t.Run(fmt.Sprint(tt, url), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, devchain.Build(spec(30)))
					b.url, b.onRevert = url, tt.onRevert
					b.fake.Do(func(n *nodetest.Node) { n.Client = tt.client })
					b.start()
					after(30 * time.Second)
					b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head, n.Syncing = devchain.Build(spec(22)), 22, tt.syncing })
					after(5 * time.Minute)
					b.keeps(30, 0, 0)
					b.must(ignore(b.stop()))
					b.start()
					after(5 * time.Minute)
					b.keeps(30, 0, 0)
				})
			})
		}
	}
}

// A chain that ends earlier while we catch up leaves no rows behind.
func TestRevertWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(300)))
		b.fake.Do(func(n *nodetest.Node) { n.Client = anvil })
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
		b.fake.Do(func(n *nodetest.Node) { n.Client = anvil })
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
		b.fake.Do(func(n *nodetest.Node) { n.Client = anvil })
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
