package indexer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// One height that a node answers wrongly, or not at all, keeps no reorg from
// being followed.
func TestReorgWithOneWrongAnswer(t *testing.T) {
	contradicting := devchain.Build(forked(40, 25))
	copy(contradicting.Blocks[33:], devchain.Build(forked(40, 32)).Blocks[33:])
	for _, tt := range []struct {
		name    string
		now     *recorded.Chain
		number  uint64
		kind    nodetest.Kind
		missing []uint64
	}{
		{"the ancestor fails", devchain.Build(forked(31, 25)), 24, nodetest.RPCError, nil},
		{"the block below it fails", devchain.Build(forked(31, 25)), 23, nodetest.RPCError, nil},
		{"the first new block fails", devchain.Build(forked(31, 25)), 25, nodetest.RPCError, []uint64{25}},
		{"the first new block is null", devchain.Build(forked(31, 25)), 25, nodetest.NullBlock, []uint64{25}},
		{"a later one is null", devchain.Build(forked(31, 25)), 28, nodetest.NullBlock, []uint64{28}},
		{"the new chain contradicts itself", contradicting, 0, 0, []uint64{32}},
	} {
		for _, url := range []string{near, away} {
			t.Run(tt.name+" of "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, devchain.Build(spec(30)))
					b.url = url
					b.start()
					after(20 * time.Second)
					b.fake.Do(func(n *nodetest.Node) {
						n.Chain, n.Head = tt.now, tt.now.Last()
						if tt.number > 0 {
							n.Faults[tt.number] = &nodetest.Fault{Kind: tt.kind}
						}
					})
					after(2 * time.Minute)
					b.runs()
					b.equals(tt.now, tt.missing...)
				})
			})
		}
	}
}

// A cache keeps giving a whole block of the chain before, though the header by
// its number is that of the new one.
func TestReorgPastAStaleBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, now := devchain.Build(spec(30)), devchain.Build(forked(31, 25))
		b := newBench(t, before)
		stale, err := before.Blocks[25].Decode()
		b.must(err)
		b.through = func(s source) indexer.Source { return caching{s, stale} }
		b.start()
		after(5 * time.Second)
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = now, now.Last() })
		after(2 * time.Minute)
		b.runs()
		b.equals(now, 25)
	})
}

// A caching source gives one block as it once was.
type caching struct {
	source
	block *chain.Block
}

func (c caching) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	results, err := c.source.Blocks(ctx, numbers, most)
	for i := range results {
		if results[i].Number == c.block.Number {
			kept := *c.block
			results[i].Block, results[i].Err = &kept, nil
		}
	}
	return results, err
}
