package indexer

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A reorg may be held up by an answer that is wrong or does not come. When it has
// been looked at that often, for that long, it is followed as far as that can be
// told, and the block of that answer is missing.
const (
	reorgPatience = 10 * time.Second
	reorgLooks    = 20
)

// A heldUp is a reorg that is not followed yet.
type heldUp struct {
	since time.Time
	looks int
}

// lenient reports whether a reorg has been looked at for long enough.
func (x *Indexer) lenient() bool {
	if x.heldUp.looks++; x.heldUp.looks == 1 {
		x.heldUp.since = time.Now()
	}
	return x.heldUp.looks > reorgLooks && time.Since(x.heldUp.since) >= reorgPatience
}

// movedOn forgets what came in vain.
func (x *Indexer) movedOn() { x.misfit, x.heldUp = misfit{}, heldUp{} }

// header asks for one header, nil if it can't be had or is not what its hash says.
func (x *Indexer) header(ctx context.Context, number uint64) (*chain.Header, error) {
	headers, err := x.source.Headers(ctx, []uint64{number})
	switch {
	case err != nil && (ctx.Err() != nil || !blockFailed(err)):
		return nil, err
	case err != nil || headers[0] == nil || x.recompute(headers[0]) != nil:
		return nil, nil
	}
	return headers[0], nil
}

// commonOfSome is common where some headers can't be had. A block whose header
// is one of them is part of the chain if its child is. The header above ours is
// above, nil if it is not known, and becomes the lowest of these. If unsure, some
// of the blocks may be part of the chain.
func (x *Indexer) commonOfSome(ctx context.Context, ours []store.Anchor, above **chain.Header) (found *store.Anchor, unsure bool, err error) {
	for i := len(ours) - 1; i >= 0; i-- {
		theirs, err := x.header(ctx, ours[i].Number)
		if err != nil {
			return nil, false, err
		}
		child := *above
		if theirs != nil && theirs.Hash == ours[i].Hash ||
			child != nil && child.Number == ours[i].Number+1 && child.ParentHash == ours[i].Hash {
			return &ours[i], false, nil
		}
		*above, unsure = theirs, unsure || theirs == nil
	}
	return nil, unsure, nil
}

// hashByChild gives the hash of the block above the ancestor, whose header can't
// be had, from the header of its child.
func (x *Indexer) hashByChild(ctx context.Context, ancestor *store.Anchor) ([]common.Hash, error) {
	child, err := x.header(ctx, ancestor.Number+2)
	if err != nil {
		return nil, err
	}
	if child == nil {
		return nil, errMoving
	}
	return []common.Hash{child.ParentHash}, nil
}
