package indexer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A frugal source notes what is under way when a block is given that takes more
// than half of the window and a request.
type frugal struct {
	source
	mu     *sync.Mutex // guards what follows
	under  *int        // calls under way
	beside *int        // calls beside one that gave such a block, at most
}

func (s frugal) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	s.mu.Lock()
	*s.under++
	s.mu.Unlock()
	results, err := s.source.Blocks(ctx, numbers, most)
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.under--
	for _, r := range results {
		if r.Bytes > 20<<20 {
			*s.beside = max(*s.beside, *s.under+len(results)-1)
		}
	}
	return results, err
}

// Where blocks suddenly are large, one is fetched at a time: while catching up,
// at the head, and when those that are missing come in.
func TestBlocksThatSuddenlyAreLarge(t *testing.T) {
	s := spec(102)
	s.Large.From, s.Large.Transactions, s.Large.Input = 101, 1, 11<<20
	c := devchain.Build(s)
	for _, tt := range []struct {
		name  string
		head  uint64 // to begin with
		fails uint64
	}{{"while catching up", 102, 0}, {"at the head", 100, 0}, {"missing", 102, 102}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c)
				b.fake.Do(func(n *nodetest.Node) {
					n.Head = tt.head
					if tt.fails > 0 {
						n.Faults[tt.fails] = &nodetest.Fault{Kind: nodetest.RPCError}
					}
				})
				var beside int
				b.through = func(s source) indexer.Source { return frugal{s, new(sync.Mutex), new(int), &beside} }
				b.start()
				after(3 * time.Second)
				b.fake.Do(func(n *nodetest.Node) {
					n.Head = c.Last()
					clear(n.Faults)
				})
				after(25 * time.Second)
				b.equals(c)
				if beside > 0 {
					t.Errorf("%d others beside a large one", beside)
				}
			})
		})
	}
}
