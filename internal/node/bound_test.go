package node_test

import (
	"testing"
	"testing/synctest"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// largeChain has blocks of one transaction whose input takes so many bytes of JSON.
func largeChain(blocks, bytes int) *nodetest.Node {
	s := devchain.Spec{Blocks: blocks}
	s.Large.From, s.Large.Transactions, s.Large.Input = 1, 1, bytes/2
	return nodetest.New(devchain.Build(s))
}

// Of a batch whose answer is too large no more than 32 MB are read. It is asked
// for in parts, at last the block and its receipts apart.
func TestLargeAnswers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int // of a block
		batch int // calls, that was learnt
	}{{"blocks apart", 20 << 20, 2}, {"block and receipts apart", 40 << 20, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			if testing.Short() && tt.bytes > 20<<20 {
				t.Skip("takes long with the race detector")
			}
			synctest.Test(t, func(t *testing.T) {
				fake := largeChain(2, tt.bytes)
				n := inMemory(t, fake, near)
				results, err := n.Blocks(t.Context(), numbers(1, 2), 0)
				verified(t, results, err, 2)
				if bytes := results[1].Bytes; bytes < tt.bytes {
					t.Errorf("%d bytes", bytes)
				}
				if s := n.State()[0]; s.Batch != tt.batch || !s.Up {
					t.Errorf("state %+v", s)
				}
			})
		})
	}
}

// Blocks that take more than the caller wants are nobody's failure.
func TestAllowance(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		set       func(*nodetest.Node)
	}{
		{"HTTP", near, func(*nodetest.Node) {}},
		{"WebSocket", "ws://127.0.0.1:8545", func(*nodetest.Node) {}},
		{"in several requests", near, func(n *nodetest.Node) { n.MaxBatch = 2 }},
		{"receipts one by one", near, func(n *nodetest.Node) { n.NoBlockReceipts = -32601 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := largeChain(4, 100_000)
				set(fake, tt.set)
				n := inMemory(t, fake, tt.url)
				results, err := n.Blocks(t.Context(), numbers(1, 4), 350_000)
				if results != nil || chain.ClassOf(err) != chain.TooLarge {
					t.Errorf("%d results, %v", len(results), err)
				}
				results, err = n.Blocks(t.Context(), numbers(1, 4), 450_000)
				verified(t, results, err, 4)
				if s := n.State()[0]; !s.Up || s.Error != "" {
					t.Errorf("state %+v", s)
				}
			})
		})
	}
}
