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
// however deep it is. If lenient, headers may be wanting.
func (x *Indexer) ancestor(ctx context.Context, head *chain.Header, lenient bool) (*store.Anchor, error) {
	if x.next == x.start {
		return nil, errNoAncestor // nothing is stored, and what came first does not fit
	}
	if head.Number < x.start {
		return nil, errMoving // too far behind to tell
	}
	none, above := errNoAncestor, new(*chain.Header)
	top := min(head.Number, x.next-1)
	for batch := uint64(4); ; batch = min(2*batch, headerBatch) {
		low := uint64(0)
		if top >= batch {
			low = top - batch + 1
		}
		ours, err := x.store.HashesBetween(ctx, low, top)
		if err != nil {
			return nil, err
		}
		var found *store.Anchor
		unsure := false
		if lenient {
			found, unsure, err = x.commonOfSome(ctx, ours, above)
		} else {
			found, err = x.common(ctx, ours)
		}
		if found != nil || err != nil {
			return found, err
		}
		if unsure {
			none = errMoving
		}
		if low == 0 {
			return nil, none
		}
		deeper, err := x.store.Highest(ctx, low-1)
		if err != nil {
			return nil, err
		}
		if deeper == nil {
			return nil, none
		}
		top = deeper.Number
	}
}

// common gives the highest of our blocks that the source has too.
func (x *Indexer) common(ctx context.Context, ours []store.Anchor) (*store.Anchor, error) {
	if len(ours) == 0 {
		return nil, nil
	}
	theirs, err := x.present(ctx, ours)
	if err != nil {
		return nil, err
	}
	for i := len(ours) - 1; i >= 0; i-- {
		if theirs[i] == ours[i].Hash {
			return &ours[i], nil
		}
	}
	return nil, nil
}
