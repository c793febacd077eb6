package indexer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A long chain is stored without the indexes that can wait. They are there once
// it is caught up with, also by another run than the one that began.
func TestIndexesComeLast(t *testing.T) {
	c := devchain.Build(devchain.Spec{Blocks: 5200})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, c)
		b.url = near
		var fetches atomic.Int32
		b.fetched = func() {
			if fetches.Add(1) == 8 { // of far more
				b.fake.Do(func(n *nodetest.Node) { n.Down = true })
			}
		}
		b.start()
		after(10 * time.Second)
		if n := b.missingIndexes(); n != 10 {
			t.Errorf("in the middle, %d indexes are missing", n)
		}
		_ = b.stop() // in an outage

		b.fake.Do(func(n *nodetest.Node) { n.Down = false })
		b.start()
		after(time.Minute)
		if n := b.missingIndexes(); n != 0 {
			t.Errorf("at the head, %d indexes are missing", n)
		}
		b.equals(c)
	})
}

// A short chain is stored with all indexes from the beginning.
func TestShortChainIsIndexedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(30)))
		var without atomic.Int32 // fetches at which an index was missing
		b.fetched = func() {
			if b.missingIndexes() > 0 {
				without.Add(1)
			}
		}
		b.start()
		after(10 * time.Second)
		if n := without.Load(); n > 0 {
			t.Errorf("an index was missing at %d fetches", n)
		}
		b.equals(b.fake.Chain)
	})
}

func (b *bench) missingIndexes() int {
	b.t.Helper()
	names, err := b.store.MissingIndexes(context.WithoutCancel(b.t.Context()))
	b.must(err)
	return len(names)
}
