package node_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// Each class of failure and what the client answers it with, for one endpoint.
// blocks asks for 1 to 12 and gives what came of block 5.
func TestClasses(t *testing.T) {
	every := func(f nodetest.Fault) func(*nodetest.Node) {
		return func(n *nodetest.Node) { n.Every = &f }
	}
	fifth := func(f nodetest.Fault) func(*nodetest.Node) {
		return func(n *nodetest.Node) { n.Faults[5] = &f }
	}
	for _, tt := range []struct {
		class chain.Class
		set   func(*nodetest.Node)
		call  chain.Class // of the call's error
		block chain.Class // of block 5, if there is no error of the call
		up    bool
	}{
		{chain.EndpointDown, func(n *nodetest.Node) { n.Down = true }, chain.EndpointDown, "", false},
		{chain.EndpointDown, every(nodetest.Fault{Kind: nodetest.Hang}), chain.EndpointDown, "", false},
		{chain.EndpointRefuses, every(nodetest.Fault{Kind: nodetest.Status, Code: 403}), chain.EndpointRefuses, "", false},
		{chain.RateLimited, every(nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "3", Times: 2}), "", "", true},
		{chain.RateLimited, fifth(nodetest.Fault{Kind: nodetest.RPCError, Code: -32005, Times: 2}), "", "", true},
		{chain.TooLarge, func(n *nodetest.Node) { n.MaxBatch = 1 }, "", "", true},
		{chain.TooLarge, fifth(nodetest.Fault{Kind: nodetest.HugeBody, Times: 2}), "", "", true},
		{chain.TooLarge, fifth(nodetest.Fault{Kind: nodetest.HugeBody}), "", chain.BlockError, true},
		{chain.Unsupported, func(n *nodetest.Node) { n.NoBlockReceipts = -32601 }, "", "", true},
		{chain.Unsupported, func(n *nodetest.Node) { n.NoBlockReceipts = -32004 }, "", "", true},
		{chain.Unsupported, func(n *nodetest.Node) { n.NoBlockReceipts = -32700 }, "", "", true},
		{chain.NotYet, func(n *nodetest.Node) { n.Head = 4 }, "", chain.NotYet, true},
		{chain.NotYet, fifth(nodetest.Fault{Kind: nodetest.NullReceipts}), "", chain.NotYet, true},
		{chain.Race, fifth(nodetest.Fault{Kind: nodetest.RaceReceipts, Times: 1}), "", "", true},
		{chain.Race, fifth(nodetest.Fault{Kind: nodetest.RaceReceipts}), "", chain.Invalid, true},
		{chain.BlockError, fifth(nodetest.Fault{Kind: nodetest.RPCError}), "", chain.BlockError, true},
		{chain.Invalid, fifth(nodetest.Fault{Kind: nodetest.SwappedResults}), "", chain.Invalid, true},
		{chain.Pruned, func(n *nodetest.Node) { n.Lowest = 6 }, "", chain.Pruned, true},
		{chain.Pruned, fifth(nodetest.Fault{Kind: nodetest.RPCError, Code: 4444}), "", chain.Pruned, true},
	} {
		t.Run(string(tt.class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(12)
				set(fake, tt.set)
				n := inMemory(t, fake, near)
				results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
				switch {
				case tt.call != "":
					if results != nil || chain.ClassOf(err) != tt.call {
						t.Errorf("class %s: %v", chain.ClassOf(err), err)
					}
				case err != nil:
					t.Fatal(err)
				case tt.block == "":
					verified(t, results, err, 12)
				case results[4].Err == nil || chain.ClassOf(results[4].Err) != tt.block:
					t.Errorf("block 5: class %s: %v", chain.ClassOf(results[4].Err), results[4].Err)
				}
				if s := n.State()[0]; s.Up != tt.up || s.Up == (s.Error != "") {
					t.Errorf("state %+v", s)
				}
				recovers(t, n, fake)
			})
		})
	}
}

// recovers checks that all is well once the faults are gone.
func recovers(t *testing.T, n *node.Node, fake *nodetest.Node) {
	set(fake, func(n *nodetest.Node) {
		n.Down, n.Every, n.Head, n.Lowest = false, nil, 12, 0
		clear(n.Faults)
	})
	if err := n.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Minute) // what was pruned is looked at again
	results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
	verified(t, results, err, 12)
	if s := n.State()[0]; !s.Up || s.Error != "" {
		t.Errorf("state %+v", s)
	}
}

// The end of the context is nobody's failure, with one endpoint or several.
func TestStoppingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.blocks(t, 1, 5)
		for _, n := range []*nodetest.Node{p.a, p.b} {
			set(n, func(n *nodetest.Node) { n.Every = fault(nodetest.Hang) })
		}
		stop := errors.New("stop")
		for _, f := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := p.Blocks(ctx, numbers(1, 5), 0); return err },
			func(ctx context.Context) error { _, err := p.Head(ctx); return err },
			func(ctx context.Context) error { _, err := p.Identity(ctx); return err },
			func(ctx context.Context) error { return p.Await(ctx) },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(stop) })
			if err := f(ctx); !errors.Is(err, stop) {
				t.Errorf("ended with %v", err)
			}
		}
		if s := p.State(); s[0].Error != "" || s[1].Error != "" {
			t.Errorf("blamed: %+v", s)
		}
	})
}
