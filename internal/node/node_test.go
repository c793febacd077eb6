package node_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// open makes a client of nodes at the given URLs, which it closes at the end.
func open(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	n, err := node.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// serve serves fake on a real socket and gives a client of it.
func serve(t *testing.T, fake *nodetest.Node) (*node.Node, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	n := open(t, node.Options{URLs: []string{server.URL}, Timeout: 2 * time.Second})
	return n, server
}

func numbers(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

// verified checks that all results are blocks that verify.
func verified(t *testing.T, results []chain.Result, err error, want int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != want {
		t.Fatalf("%d results, want %d", len(results), want)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("block %d: %v", r.Number, r.Err)
		}
		if v := chain.Verify(r.Block, chain.AllChecks); !v.Verified() || r.Block.Number != r.Number {
			t.Fatalf("block %d: %+v", r.Number, v)
		}
	}
}

func chainOf(blocks int) *nodetest.Node {
	return nodetest.New(devchain.Build(devchain.Spec{Blocks: blocks, Transactions: 3, Logs: 2, Uncles: 5}))
}

func TestBlocks(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"as geth", func(*nodetest.Node) {}},
		{"ids as strings", func(n *nodetest.Node) { n.StringIDs = true }},
		{"answers in another order", func(n *nodetest.Node) { n.Reverse = true }},
		{"batch too large, by an array of one", func(n *nodetest.Node) { n.MaxBatch = 7 }},
		{"batch too large, by an object", func(n *nodetest.Node) { n.MaxBatch, n.RefuseByObject = 7, true }},
		{"no batches", func(n *nodetest.Node) { n.MaxBatch = 1 }},
		{"no batches and no block receipts", func(n *nodetest.Node) { n.MaxBatch, n.NoBlockReceipts = 1, -32601 }},
		{"no block receipts, geth", func(n *nodetest.Node) { n.NoBlockReceipts = -32601 }},
		{"no block receipts, hardhat", func(n *nodetest.Node) { n.NoBlockReceipts = -32004 }},
		{"no block receipts, ganache", func(n *nodetest.Node) { n.NoBlockReceipts = -32700 }},
		{"truncated once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.TruncatedBody, Times: 1} }},
		{"page once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.HTML, Times: 1} }},
		{"500 once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.Status, Times: 1} }},
		{"413 once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.Status, Code: 413, Times: 1} }},
		{"reset once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.Reset, Times: 1} }},
		{"silent once", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.Hang, Times: 1} }},
		{"answer too large", func(n *nodetest.Node) {
			n.Faults[7] = &nodetest.Fault{Kind: nodetest.RPCError, Code: -32003, Times: 2}
		}},
		{"receipts race", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.RaceReceipts, Times: 1} }},
		{"empty receipts race", func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.EmptyReceipts, Times: 1} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := chainOf(20)
			fake.Do(tt.set)
			n, _ := serve(t, fake)
			for range 2 { // what was learnt must work too
				results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
				verified(t, results, err, 21)
			}
		})
	}
}

func TestBlocksOverWebSocket(t *testing.T) {
	fake := chainOf(20)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	n := open(t, node.Options{URLs: []string{"ws" + server.URL[len("http"):]}})
	for range 2 {
		results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
		verified(t, results, err, 21)
	}
	fake.Do(func(n *nodetest.Node) { n.Faults[7] = &nodetest.Fault{Kind: nodetest.Reset, Times: 1} })
	results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
	verified(t, results, err, 21)
}

func TestBlockFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault nodetest.Fault
		want  chain.Class
	}{
		{"RPC error", nodetest.Fault{Kind: nodetest.RPCError}, chain.BlockError},
		{"pruned", nodetest.Fault{Kind: nodetest.RPCError, Code: 4444}, chain.Pruned},
		{"null block", nodetest.Fault{Kind: nodetest.NullBlock}, chain.NotYet},
		{"null receipts", nodetest.Fault{Kind: nodetest.NullReceipts}, chain.NotYet},
		{"empty receipts", nodetest.Fault{Kind: nodetest.EmptyReceipts}, chain.Invalid},
		{"race", nodetest.Fault{Kind: nodetest.RaceReceipts}, chain.Invalid},
		{"not answered", nodetest.Fault{Kind: nodetest.NoAnswer}, chain.BlockError},
		{"truncated", nodetest.Fault{Kind: nodetest.TruncatedBody}, chain.BlockError},
		{"silent", nodetest.Fault{Kind: nodetest.Hang}, chain.Timeout},
		{"page", nodetest.Fault{Kind: nodetest.HTML}, chain.BlockError},
		{"500", nodetest.Fault{Kind: nodetest.Status, Code: 500}, chain.BlockError},
		{"403", nodetest.Fault{Kind: nodetest.Status, Code: 403}, chain.BlockError},
		{"too large", nodetest.Fault{Kind: nodetest.RPCError, Code: -32003}, chain.BlockError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := chainOf(12)
			fake.Do(func(n *nodetest.Node) { n.Faults[5] = &tt.fault })
			n, _ := serve(t, fake)
			results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
			if err != nil {
				t.Fatal(err)
			}
			bad := results[4]
			if bad.Block != nil || bad.Err == nil || chain.ClassOf(bad.Err) != tt.want {
				t.Errorf("block 5: class %s, want %s: %v", chain.ClassOf(bad.Err), tt.want, bad.Err)
			}
			verified(t, append(results[:4], results[5:]...), nil, 11)
		})
	}
}

// WrongHash, WrongRoot and WrongReceipts are Verify's to find, or contradict the
// receipts.
func TestWrongBlocksDoNotVerify(t *testing.T) {
	for _, kind := range []nodetest.Kind{nodetest.WrongHash, nodetest.WrongRoot, nodetest.WrongReceipts} {
		fake := chainOf(5)
		fake.Do(func(n *nodetest.Node) { n.Faults[3] = &nodetest.Fault{Kind: kind} })
		n, _ := serve(t, fake)
		results, err := n.Blocks(t.Context(), []uint64{3}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if results[0].Err == nil && chain.Verify(results[0].Block, chain.AllChecks).Verified() {
			t.Errorf("kind %d: the block verifies", kind)
		}
	}
}

func TestEndpointFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
		want chain.Class
	}{
		{"down", func(n *nodetest.Node) { n.Down = true }, chain.EndpointDown},
		{"500", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status} }, chain.EndpointDown},
		{"page", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.HTML} }, chain.EndpointDown},
		{"silent", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Hang} }, chain.EndpointDown},
		{"401", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 401} }, chain.EndpointRefuses},
		{"402", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 402} }, chain.EndpointRefuses},
		{"403", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 403} }, chain.EndpointRefuses},
		{"404", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 404} }, chain.EndpointRefuses},
		{"308", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 308} }, chain.EndpointRefuses},
		{"429 for an hour", func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "3600"}
		}, chain.RateLimited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := chainOf(12)
			fake.Do(tt.set)
			n, _ := serve(t, fake)
			results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
			if results != nil || err == nil || chain.ClassOf(err) != tt.want {
				t.Errorf("%d results, class %s, want %s: %v", len(results), chain.ClassOf(err), tt.want, err)
			}
			if up := n.State()[0].Up; up {
				t.Error("the endpoint is up")
			}
		})
	}
}

func TestNoSuchHostAndBadTLSRefuse(t *testing.T) {
	secure := httptest.NewTLSServer(chainOf(1))
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(chainOf(1))
	t.Cleanup(plain.Close)
	for _, u := range []string{secure.URL, "https" + plain.URL[len("http"):], "http://nowhere.invalid/"} {
		n := open(t, node.Options{URLs: []string{u}, Timeout: 5 * time.Second})
		if _, err := n.Head(t.Context()); chain.ClassOf(err) != chain.EndpointRefuses {
			t.Errorf("%s: class %s: %v", u, chain.ClassOf(err), err)
		}
	}
}

func TestContextEnds(t *testing.T) {
	fake := chainOf(5)
	fake.Do(func(n *nodetest.Node) { n.Faults[3] = &nodetest.Fault{Kind: nodetest.Hang} })
	n, _ := serve(t, fake)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	results, err := n.Blocks(ctx, numbers(1, 5), 0)
	if results != nil || !errors.Is(err, stop) {
		t.Errorf("%d results and %v, want the context's cause", len(results), err)
	}
	if !n.State()[0].Up && n.State()[0].Error != "" {
		t.Errorf("the endpoint is blamed: %+v", n.State()[0])
	}
}

func TestLearntBatchAndReceiptsAreRemembered(t *testing.T) {
	fake := chainOf(20)
	fake.Do(func(n *nodetest.Node) { n.MaxBatch, n.NoBlockReceipts = 13, -32004 })
	n, _ := serve(t, fake)
	results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
	verified(t, results, err, 21)
	asked := fake.Count("eth_getBlockReceipts")
	results, err = n.Blocks(t.Context(), numbers(0, 20), 0)
	verified(t, results, err, 21)
	if again := fake.Count("eth_getBlockReceipts"); again != asked {
		t.Errorf("eth_getBlockReceipts was tried %d times more", again-asked)
	}
	s := n.State()[0]
	if s.Batch > 13 || s.Receipts != "eth_getTransactionReceipt" || !s.Up {
		t.Errorf("state %+v", s)
	}
}

func TestFailover(t *testing.T) {
	first, second := chainOf(5), chainOf(5)
	one, two := httptest.NewServer(first), httptest.NewServer(second)
	t.Cleanup(one.Close)
	t.Cleanup(two.Close)
	n := open(t, node.Options{URLs: []string{one.URL, two.URL}})
	first.Do(func(n *nodetest.Node) { n.Down = true })
	results, err := n.Blocks(t.Context(), numbers(0, 5), 0)
	verified(t, results, err, 6)
	if s := n.State(); s[0].Up || !s[1].Up {
		t.Errorf("state %+v", s)
	}
}

func TestHeads(t *testing.T) {
	fake := chainOf(9)
	fake.Do(func(n *nodetest.Node) { n.Tags["finalized"] = 4 })
	n, _ := serve(t, fake)
	identity, err := n.Identity(t.Context())
	if err != nil || identity.ChainID != 1337 || identity.Genesis.Hash != fake.Chain.Blocks[0].Hash ||
		identity.Client != devchain.Client || !identity.Loopback {
		t.Errorf("identity %+v, %v", identity, err)
	}
	head, err := n.Head(t.Context())
	if err != nil || head.Number != 9 || head.Recompute() != nil {
		t.Errorf("head %+v, %v", head, err)
	}
	if h, err := n.Tag(t.Context(), "finalized"); err != nil || h.Number != 4 {
		t.Errorf("finalized %+v, %v", h, err)
	}
	_, err = n.Tag(t.Context(), "safe")
	if e, ok := errors.AsType[*chain.Error](err); !ok || e.Class != chain.BlockError {
		t.Errorf("safe: %v", err)
	}
	headers, err := n.Headers(t.Context(), []uint64{3, 99, 9})
	if err != nil || headers[0].Number != 3 || headers[1] != nil || headers[2].Hash != head.Hash {
		t.Errorf("headers %v, %v", headers, err)
	}
	if held, err := n.Holds(t.Context(), head.Hash); err != nil || !held {
		t.Errorf("holds its head: %t, %v", held, err)
	}
	if held, err := n.Holds(t.Context(), common.Hash{1}); err != nil || held {
		t.Errorf("holds an unknown block: %t, %v", held, err)
	}
	for _, highest := range []uint64{0, 20} {
		fake.Do(func(n *nodetest.Node) { n.Syncing = highest })
		if syncing, err := n.Syncing(t.Context()); err != nil || syncing != (highest > 0) {
			t.Errorf("syncs up to %d: %t, %v", highest, syncing, err)
		}
	}
}

func TestBasicAuthAndHeaderAreSent(t *testing.T) {
	fake := chainOf(1)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	n := open(t, node.Options{URLs: []string{server.URL}, Header: http.Header{"Authorization": {"Bearer abcdefgh"}}})
	if _, err := n.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.Do(func(n *nodetest.Node) {
		if n.Headers[0] != "Bearer abcdefgh" {
			t.Errorf("authorization %q", n.Headers[0])
		}
	})
}
