package indexer

import (
	"context"
	"errors"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// errNoAncestor says that no stored block is part of the source's chain.
var errNoAncestor = errors.New("no stored block is part of the chain")

// ancestor finds the highest stored block that is part of the source's chain,
// however deep it is.
func (x *Indexer) ancestor(ctx context.Context, head *chain.Header) (*store.Anchor, error) {
	if x.next == x.start {
		return nil, errNoAncestor // nothing is stored, and what came first does not fit
	}
	if head.Number < x.start {
		return nil, errMoving // too far behind to tell
	}
	top, left := min(head.Number, x.next-1), false
	for batch := uint64(4); ; batch = min(2*batch, headerBatch) {
		low := uint64(0)
		if top >= batch {
			low = top - batch + 1
		}
		ours, err := x.store.HashesBetween(ctx, low, top)
		if err != nil {
			return nil, err
		}
		found, err := x.common(ctx, ours, &left)
		if found != nil || err != nil {
			return found, err
		}
		if low == 0 {
			return nil, errNoAncestor
		}
		deeper, err := x.store.Highest(ctx, low-1)
		if err != nil {
			return nil, err
		}
		if deeper == nil {
			return nil, errNoAncestor
		}
		top = deeper.Number
	}
}

// common gives the highest of our blocks that the source has too. left says that
// it has left our chain above, or does here: then what it does not keep is no
// common block.
func (x *Indexer) common(ctx context.Context, ours []store.Anchor, left *bool) (*store.Anchor, error) {
	if len(ours) == 0 {
		return nil, nil
	}
	theirs, err := x.look(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := len(ours) - 1; i >= 0; i-- {
		if theirs[i].hash == ours[i].Hash && (theirs[i].kept || !*left) {
			return &ours[i], nil
		}
		*left = true
	}
	return nil, nil
}
