package store

import (
	"context"
	"fmt"

	"gapless/internal/chain"
)

// Fill stores a block that was missing and clears its row of failed_blocks,
// both or neither. If there is no such row any more, or it was skipped, the
// fill is [ErrObsolete]; if the block does not fit a stored neighbour, a
// [*ForkError]. Either way nothing is changed.
func (s *Store) Fill(ctx context.Context, b *chain.Block) error {
	return s.write(ctx, func(w *writer) error { return w.fill(b) })
}

func (w *writer) fill(b *chain.Block) error {
	n, err := w.affect(`DELETE FROM failed_blocks WHERE block_number = ? AND skipped_at IS NULL`, clamp(b.Number))
	switch {
	case err != nil:
		return fmt.Errorf("fill: block %d: %w", b.Number, err)
	case n == 0:
		return ErrObsolete
	}
	if err := w.fits(b); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := w.insert(b); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return w.journal(kindFilled, b.Number, b.Number, nil)
}

// fits compares a block with its stored neighbours.
func (w *writer) fits(b *chain.Block) error {
	if b.Number > 0 {
		below, err := w.anchor(`SELECT number, hash FROM blocks WHERE number = ?`, b.Number-1)
		if err != nil {
			return err
		}
		if below != nil && below.Hash != b.ParentHash {
			return &ForkError{Number: b.Number, Neighbour: below.Number, Want: below.Hash, Got: b.ParentHash}
		}
	}
	above, err := w.anchor(`SELECT number, parent_hash FROM blocks WHERE number = ?`, b.Number+1)
	if err != nil {
		return err
	}
	if above != nil && above.Hash != b.Hash {
		return &ForkError{Number: b.Number, Neighbour: above.Number, Want: above.Hash, Got: b.Hash}
	}
	return nil
}
