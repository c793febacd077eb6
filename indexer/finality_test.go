package indexer_test

import (
	"context"
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
