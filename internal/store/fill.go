package store

import (
	"context"
	"fmt"
	"time"

	"gapless/internal/chain"
)

// Fill stores a block that was missing and clears its row of failed_blocks,
// both or neither. rewinds is what [Store.Rewinds] was before the block was
// fetched: if the chain was rewound since, or there is no such row any more, or
// it was skipped, the fill is [ErrObsolete]. If the block does not fit a stored
// neighbour, it is a [*ForkError]. Either way nothing is changed.
//
// At the lower edge of a gap any child of the block below fits, so that one of
// another chain may come in. It is found out by the block above it, whose place
// is certain: the block that is there then makes way and is missing again, which
// is the failure that Fill returns.
func (s *Store) Fill(ctx context.Context, b *chain.Block, rewinds uint64) (displaced *chain.Failure, err error) {
	err = s.write(ctx, func(w *writer) error {
		if rewinds != w.rewinds.Load() {
			return ErrObsolete
		}
		displaced, err = w.fill(b)
		return err
	})
	return displaced, err
}

func (w *writer) fill(b *chain.Block) (displaced *chain.Failure, err error) {
	n, err := w.affect(`DELETE FROM failed_blocks WHERE block_number = ? AND skipped_at IS NULL`, clamp(b.Number))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fill: block %d: %w", b.Number, err)
	case n == 0:
		return nil, ErrObsolete
	}
	if displaced, err = w.fit(b); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	if err := w.insert(b); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	return displaced, w.journal(kindFilled, b.Number, b.Number, nil)
}

// fit compares a block with its stored neighbours. If the one above names it,
// one below that it does not fit is displaced.
func (w *writer) fit(b *chain.Block) (*chain.Failure, error) {
	above, err := w.anchor(`SELECT number, parent_hash FROM blocks WHERE number = ?`, b.Number+1)
	if err != nil {
		return nil, err
	}
	if above != nil && above.Hash != b.Hash {
		return nil, &ForkError{Number: b.Number, Neighbour: above.Number, Want: above.Hash, Got: b.Hash}
	}
	if b.Number == 0 {
		return nil, nil
	}
	below, err := w.anchor(`SELECT number, hash FROM blocks WHERE number = ?`, b.Number-1)
	if err != nil || below == nil || below.Hash == b.ParentHash {
		return nil, err
	}
	fork := &ForkError{Number: b.Number, Neighbour: below.Number, Want: below.Hash, Got: b.ParentHash}
	certain := above != nil && b.Verdict.Passed&chain.HeaderHash != 0
	if !certain || below.Number == 0 {
		return nil, fork
	}
	return w.displace(below, fork)
}

// displace makes a stored block missing again.
func (w *writer) displace(at *Anchor, why error) (*chain.Failure, error) {
	if err := w.deleteBlocks(at.Number, at.Number); err != nil {
		return nil, err
	}
	f := chain.Failed(at.Number, &chain.Error{Class: chain.Fork, Err: why}, 1, time.Now())
	f.NextAt = f.At
	return f, w.fail(f)
}
