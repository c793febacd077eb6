package indexer

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

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

// hashByChild gives the hash of the block above the ancestor, whose header can't
// be had, from the header of its child.
func (x *Indexer) hashByChild(ctx context.Context, ancestor *store.Anchor) ([]common.Hash, error) {
	child, err := x.header(ctx, ancestor.Number+2)
	if err != nil {
		return nil, err
	}
	ours, err := x.store.HashesBetween(ctx, ancestor.Number+1, ancestor.Number+1)
	if err != nil {
		return nil, err
	}
	if child == nil || len(ours) > 0 && ours[0].Hash == child.ParentHash {
		return nil, errMoving
	}
	return []common.Hash{child.ParentHash}, nil
}
