package main

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/core/types"
)

// A census counts what is in a chain.
type census struct {
	blocks, empty, longestEmpty  int // genesis is one of them
	uncles, withUncles           int
	withdrawals, withRequests    int
	transactions, largestBlock   int
	types                        [5]int // transactions by type
	unprotected, huge            int    // legacy and of no chain; of 2^64 wei and more
	creations, failedCreations   int
	failed, withRoot, blobHashes int
	logs                         [5]int // by number of topics
}

// count takes the census of c.
func count(c *chain) *census {
	n := new(census)
	run := 0
	for i, b := range c.blocks {
		n.block(b)
		for j, tx := range b.Transactions() {
			n.transaction(tx, c.receipts[i][j])
		}
		if run++; len(b.Transactions()) > 0 {
			run = 0
		}
		n.longestEmpty = max(n.longestEmpty, run)
	}
	return n
}

func (n *census) block(b *types.Block) {
	txs := len(b.Transactions())
	n.blocks++
	n.transactions += txs
	n.largestBlock = max(n.largestBlock, txs)
	n.uncles += len(b.Uncles())
	n.withdrawals += len(b.Withdrawals())
	if txs == 0 {
		n.empty++
	}
	if len(b.Uncles()) > 0 {
		n.withUncles++
	}
	if h := b.RequestsHash(); h != nil && *h != types.EmptyRequestsHash {
		n.withRequests++
	}
}

func (n *census) transaction(tx *types.Transaction, r *types.Receipt) {
	// Before Byzantium geth knows of the failure, but does not tell.
	failed := r.Status == types.ReceiptStatusFailed
	n.types[tx.Type()]++
	n.blobHashes += len(tx.BlobHashes())
	for _, log := range r.Logs {
		n.logs[len(log.Topics)]++
	}
	for _, is := range []struct {
		fact  bool
		count *int
	}{
		{tx.Type() == types.LegacyTxType && !tx.Protected(), &n.unprotected},
		{tx.Value().BitLen() > 64, &n.huge},
		{tx.To() == nil, &n.creations},
		{tx.To() == nil && failed, &n.failedCreations},
		{failed, &n.failed},
		{len(r.PostState) > 0, &n.withRoot},
	} {
		if is.fact {
			*is.count++
		}
	}
}

// String returns the census as a few lines of text.
func (n *census) String() string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	line("blocks        %d, %d without transactions, at most %d in a row", n.blocks, n.empty, n.longestEmpty)
	line("uncles        %d in %d blocks", n.uncles, n.withUncles)
	line("withdrawals   %d", n.withdrawals)
	line("requests      in %d blocks", n.withRequests)
	line("transactions  %d, at most %d in a block", n.transactions, n.largestBlock)
	line("  by type     %v, %d unprotected, %d with 2^64 wei or more", n.types, n.unprotected, n.huge)
	line("  creations   %d, %d failed", n.creations, n.failedCreations)
	line("  failed      %d", n.failed)
	line("  blob hashes %d", n.blobHashes)
	line("  state roots %d in receipts", n.withRoot)
	line("logs          %v by number of topics", n.logs)
	return s.String()
}
