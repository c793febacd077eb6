package main

import (
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
)

// TestFiles proves that the files in the tree are what the program makes, and
// that they still hold what other tests look for in them.
func TestFiles(t *testing.T) {
	c := makeChain()
	files, err := render(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := check("../chain", files); err != nil {
		t.Error(err)
	}
	n := count(c)
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"blocks", n.blocks, 1500},
		{"empty blocks in a row", n.longestEmpty, 50},
		{"blocks with uncles", n.withUncles, 15},
		{"blocks with two uncles", n.uncles - n.withUncles, 1},
		{"withdrawals", n.withdrawals, 1000},
		{"blocks with requests", n.withRequests, 50},
		{"transactions", n.transactions, 5000},
		{"transactions in a block", n.largestBlock, 200},
		{"legacy transactions", n.types[types.LegacyTxType], 1000},
		{"access list transactions", n.types[types.AccessListTxType], 200},
		{"dynamic fee transactions", n.types[types.DynamicFeeTxType], 200},
		{"blob transactions", n.types[types.BlobTxType], 200},
		{"set code transactions", n.types[types.SetCodeTxType], 200},
		{"unprotected transactions", n.unprotected, 1000},
		{"huge values", n.huge, 100},
		{"creations", n.creations, 500},
		{"failed creations", n.failedCreations, 100},
		{"failed transactions", n.failed, 500},
		{"receipts with a state root", n.withRoot, 500},
		{"logs without topics", n.logs[0], 50},
		{"logs with one topic", n.logs[1], 50},
		{"logs with two topics", n.logs[2], 50},
		{"logs with three topics", n.logs[3], 500},
		{"logs with four topics", n.logs[4], 500},
	} {
		if tt.got < tt.want {
			t.Errorf("%s: %d, want at least %d", tt.name, tt.got, tt.want)
		}
	}
}
