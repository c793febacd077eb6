package indexer

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// errNoAncestor says that no stored block is part of the source's chain.
var errNoAncestor = errors.New("no stored block is part of the chain")

// A departure is how a source has left our chain.
type departure struct {
	left  bool // it does not have a stored block
	other bool // it has shown another in the place of one, or none if it takes blocks back on purpose
}

// ancestor finds the highest stored block that is part of the source's chain,
// however deep it is, and how that has left ours above.
func (x *Indexer) ancestor(ctx context.Context, head *chain.Header) (found *store.Anchor, d departure, err error) {
	if x.next == x.start {
		return nil, d, errNoAncestor // nothing is stored, and what came first does not fit
	}
	switch lower, err := x.store.Highest(ctx, head.Number); {
	case err != nil:
		return nil, d, err
	case lower == nil:
		return nil, d, errMoving // too far behind to tell
	}
	top := min(head.Number, x.next-1)
	for batch := uint64(4); ; batch = min(2*batch, headerBatch) {
		low := uint64(0)
		if top >= batch {
			low = top - batch + 1
		}
		ours, err := x.store.HashesBetween(ctx, low, top)
		if err != nil {
			return nil, d, err
		}
		found, err := x.common(ctx, ours, &d)
		if found != nil || err != nil {
			return found, d, err
		}
		if low == 0 {
			return nil, d, errNoAncestor
		}
		deeper, err := x.store.Highest(ctx, low-1)
		if err != nil {
			return nil, d, err
		}
		if deeper == nil {
			return nil, d, errNoAncestor
		}
		top = deeper.Number
	}
}

// common gives the highest of our blocks that the source has too. Once it has left
// our chain, above or here, what it does not keep is no common block.
func (x *Indexer) common(ctx context.Context, ours []store.Anchor, d *departure) (*store.Anchor, error) {
	if len(ours) == 0 {
		return nil, nil
	}
	theirs, err := x.look(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := len(ours) - 1; i >= 0; i-- {
		if theirs[i].hash == ours[i].Hash && (theirs[i].kept || !d.left) {
			return &ours[i], nil
		}
		d.left = true
		another := theirs[i].hash != (common.Hash{}) && theirs[i].hash != ours[i].Hash
		d.other = d.other || another || x.followsReverts()
	}
	return nil, nil
}
