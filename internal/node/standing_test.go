package node_test

import (
	"testing"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// A block is held if any endpoint that answers has it.
func TestHolds(t *testing.T) {
	p := newPair(t)
	tip := p.a.Chain.Block(60).Hash
	for _, tt := range []struct {
		name             string
		a, b             uint64 // heads
		downA, downB, is bool
	}{
		{"both", 60, 60, false, false, true},
		{"the other one", 10, 60, false, false, true},
		{"none", 10, 59, false, false, false},
		{"one that is down", 10, 60, false, true, false},
		{"the one that is up", 60, 60, true, false, true},
	} {
		set(p.a, func(n *nodetest.Node) { n.Head, n.Down = tt.a, tt.downA })
		set(p.b, func(n *nodetest.Node) { n.Head, n.Down = tt.b, tt.downB })
		if held, err := p.Holds(t.Context(), tip); err != nil || held != tt.is {
			t.Errorf("%s: %t, %v", tt.name, held, err)
		}
		for _, n := range []*nodetest.Node{p.a, p.b} {
			set(n, func(n *nodetest.Node) { n.Down = false })
		}
	}
}

// Whether the leader is a development node is what it said last.
func TestIsDevnet(t *testing.T) {
	for client, want := range map[string]bool{
		"anvil/v1.7.1": true, "HardhatNetwork/2.29.1/@nomicfoundation/edr/0.12": true, "HardhatNetwork/3.18.0": true,
		"Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js": true, "EthereumJS TestRPC/v2.13.2/ethereum-js": true,
		"Geth/v1.17.10-stable/linux-amd64/go1.26.1": false, "reth/v1.9.3": false, "": false,
	} {
		if got := node.IsDevnet(client); got != want {
			t.Errorf("%q: %t", client, got)
		}
	}
	p := newPair(t)
	for _, client := range []string{"anvil/v1.7.1", "Geth/v1.17.10", "anvil/v1.7.1"} {
		set(p.a, func(n *nodetest.Node) { n.Client = client })
		if _, err := p.Identity(t.Context()); err != nil || p.IsDevnet() != node.IsDevnet(client) {
			t.Errorf("%s: %t, %v", client, p.IsDevnet(), err)
		}
	}
}
