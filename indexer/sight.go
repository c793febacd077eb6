package indexer

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A sight is what the source has in the place of a stored block now.
type sight struct {
	hash common.Hash // zero: no block
	kept bool        // else the source does not keep what is so old, and it counts as unchanged: hash is that of ours
}

// look asks for what the source has in the places of stored blocks. A block whose
// header can't be had is told by its child. What lies deep and is not kept any
// more counts as unchanged: nothing says otherwise, and nothing ever will.
func (x *Indexer) look(ctx context.Context, ours []store.Anchor) ([]sight, error) {
	numbers := make([]uint64, len(ours))
	for i := range ours {
		numbers[i] = ours[i].Number
	}
	headers, err := x.headersTries(ctx, numbers)
	if err != nil && (ctx.Err() != nil || !blockFailed(err)) {
		return nil, err
	}
	silent := chain.ClassOf(err) == chain.Timeout
	if err != nil && len(ours) > 1 && !silent {
		return x.lookEach(ctx, ours)
	}
	sights := make([]sight, len(ours))
	for i := range ours {
		if headers != nil && headers[i] != nil && (err == nil || silent) {
			sights[i] = sight{headers[i].Hash, true}
			continue
		}
		child, failed := x.header(ctx, numbers[i]+1)
		switch {
		case failed != nil:
			return nil, failed
		case child != nil:
			sights[i] = sight{child.ParentHash, true}
		case (err == nil || chain.ClassOf(err) == chain.Pruned) && x.deep(numbers[i]):
			sights[i] = sight{ours[i].Hash, false}
		case err != nil:
			return nil, err
		default:
			sights[i].kept = true
		}
	}
	return sights, nil
}

// lookEach is look, one by one.
func (x *Indexer) lookEach(ctx context.Context, ours []store.Anchor) (sights []sight, err error) {
	for i := range ours {
		one, err := x.look(ctx, ours[i:i+1])
		if err != nil {
			return nil, err
		}
		sights = append(sights, one...)
	}
	return sights, nil
}

// header asks for one header, nil if it can't be had or is not what its hash says.
func (x *Indexer) header(ctx context.Context, number uint64) (*chain.Header, error) {
	headers, err := x.source.Headers(ctx, []uint64{number})
	switch {
	case err != nil && (ctx.Err() != nil || !blockFailed(err)):
		return nil, err
	case err != nil || headers[0] == nil || x.recompute(ctx, headers[0]) != nil:
		return nil, nil
	}
	return headers[0], nil
}

// deepBelow is how far below its head a source keeps blocks at least.
const deepBelow = 128

// deep reports whether a block is so far below the head that the source may not
// keep it. The genesis always is kept, or nobody knows it; and a development node
// rather begins anew than that it forgets.
func (x *Indexer) deep(number uint64) bool {
	head := x.chainHead()
	return head != nil && !x.source.IsDevnet() && number > 0 && number+deepBelow <= head.Number
}
