package indexer_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A node's own chain does not hold together: one block names another parent
// than the one below it has. One of the two is missing: the lower one where the
// place of the upper one is certain by what is above it. All others are stored.
func TestChainThatContradictsItself(t *testing.T) {
	for _, tt := range []struct {
		name    string
		url     string
		first   uint64   // head when the file begins
		wrong   []uint64 // blocks that name another parent
		missing []uint64
	}{
		{"an empty file", near, 120, []uint64{81}, []uint64{80}},
		{"an empty file, elsewhere", away, 120, []uint64{81}, []uint64{80}},
		{"a file that has blocks", near, 20, []uint64{81}, []uint64{80}},
		{"a file that has blocks, elsewhere", away, 20, []uint64{81}, []uint64{80}},
		{"above the file's tip", near, 80, []uint64{81}, []uint64{80}},
		{"at the head", near, 110, []uint64{120}, []uint64{120}},
		{"block 1", near, 120, []uint64{1}, []uint64{1}},
		{"several", near, 120, []uint64{30, 31, 70}, []uint64{30, 69}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(120))
				for _, n := range tt.wrong {
					other := devchain.Build(forked(120, n-1))
					copy(c.Blocks[n:], other.Blocks[n:])
				}
				b := newBench(t, c)
				b.url = tt.url
				b.fake.Do(func(n *nodetest.Node) { n.Head = tt.first })
				b.start()
				after(20 * time.Second)
				b.fake.Do(func(n *nodetest.Node) { n.Head = 120 })
				after(time.Minute)
				b.runs()
				b.equals(c, tt.missing...)
			})
		})
	}
}

// While an outage keeps a reorg from being looked at, nothing says that the block
// which does not fit is wrong.
func TestOutageInAReorg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, now := devchain.Build(spec(30)), devchain.Build(forked(31, 30))
		b := newBench(t, before)
		b.until = new(uint64(31))
		b.start()
		after(5 * time.Second)
		var switched atomic.Bool
		b.fetched = func() {
			if switched.CompareAndSwap(true, false) {
				b.fake.Do(func(n *nodetest.Node) { n.Down = true })
			}
		}
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, 31 })
		switched.Store(true)
		after(10 * time.Second)
		b.fake.Do(func(n *nodetest.Node) { n.Down = false })
		after(20 * time.Second)
		b.equals(now)
	})
}
