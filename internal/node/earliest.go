package node

import (
	"context"

	"gapless/internal/chain"
)

// Earliest finds the lowest number from which on the node has the blocks up to
// its head whole: that is from itself, unless what is there is pruned. It asks
// for few blocks, as if those that are pruned were all below the others.
func (n *Node) Earliest(ctx context.Context, from, head uint64) (uint64, error) {
	low := max(from, 1) // all nodes keep the genesis
	has, err := n.hasWhole(ctx, low)
	if has || err != nil || head <= low+fewestNulls {
		return from, err
	}
	high := head
	for high-low > 1 {
		middle := low + (high-low)/2
		has, err := n.hasWhole(ctx, middle)
		switch {
		case err != nil:
			return from, err
		case has:
			high = middle
		default:
			low = middle
		}
	}
	if high < max(from, 1)+fewestNulls {
		return from, nil // some are missing; that is not a history that was pruned
	}
	return high, nil
}

// hasWhole reports whether the node has a block and its receipts. That it fails
// to give them does not mean that it has not.
func (n *Node) hasWhole(ctx context.Context, number uint64) (bool, error) {
	results, err := n.Blocks(ctx, []uint64{number}, 0)
	if err != nil {
		return false, err
	}
	class := chain.ClassOf(results[0].Err)
	return results[0].Err == nil || class != chain.Pruned && class != chain.NotYet, nil
}
