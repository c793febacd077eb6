package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gapless/internal/chain"
)

// auditChunk is how many numbers Holes counts at once.
const auditChunk = 20_000

// Holes calls found for each number between the start block and the head that
// is in neither table, in order. There is none unless somebody else wrote to
// the file; of a run of more than 100,000 it gives the first alone. It reads in
// chunks, beside the process that writes.
func (r *Reader) Holes(ctx context.Context, found func(uint64)) error {
	start, next, err := r.Bounds(ctx)
	if err != nil {
		return err
	}
	for first := start; first < next; {
		end, err := r.holes(ctx, first, min(first+auditChunk, next), found)
		if err != nil {
			return fmt.Errorf("audit from block %d: %w", first, explain(err))
		}
		first = end
	}
	return nil
}

// holes looks at the numbers from first to end, and gives where to go on.
func (r *Reader) holes(ctx context.Context, first, end uint64, found func(uint64)) (uint64, error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	var start, next, count uint64
	if err := tx.QueryRowContext(ctx, boundsQuery).Scan(integer{&start}, integer{&next}); err != nil {
		return 0, err
	}
	goOn := end
	first, end = max(first, start), min(end, next) // somebody may have pruned or rewound
	const both = `(SELECT number FROM blocks WHERE number >= ?1 AND number < ?2
		UNION SELECT block_number FROM failed_blocks WHERE block_number >= ?1 AND block_number < ?2)`
	if first >= end {
		return goOn, nil
	}
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+both, clamp(first), clamp(end)).Scan(integer{&count}); err != nil {
		return 0, err
	}
	if count == end-first {
		return goOn, nil
	}
	rows, err := tx.QueryContext(ctx, `SELECT number FROM `+both+` ORDER BY 1`, clamp(first), clamp(end))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	expected := first
	for rows.Next() {
		var number uint64
		if err := rows.Scan(integer{&number}); err != nil {
			return 0, err
		}
		for ; expected < number; expected++ {
			found(expected)
		}
		expected = number + 1
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	tracked, err := r.passUntracked(ctx, expected)
	if err != nil {
		return 0, err
	}
	if tracked > expected {
		found(expected)
		return tracked, nil
	}
	for ; expected < end; expected++ {
		found(expected)
	}
	return goOn, nil
}

// Suspect makes a block missing and due at once, because it is wrong, not
// whole or in no table: whatever rows it has go, and a row of failed_blocks
// says why. It returns the failure, for the retry queue. A number outside the
// file's range is [ErrNotFound].
func (s *Store) Suspect(ctx context.Context, number uint64, class chain.Class, why string) (f *chain.Failure, err error) {
	err = s.write(ctx, func(w *writer) error {
		f, err = w.suspect(number, class, why)
		if err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		return nil
	})
	return f, err
}

func (w *writer) suspect(number uint64, class chain.Class, why string) (*chain.Failure, error) {
	start, next, err := w.bounds()
	if err != nil {
		return nil, err
	}
	if number < start || number >= next {
		return nil, ErrNotFound
	}
	if err := w.deleteBlocks(number, number); err != nil {
		return nil, err
	}
	f := chain.Failed(number, &chain.Error{Class: class, Err: errors.New(why)}, 1, time.Now())
	f.NextAt = f.At
	return f, w.fail(f)
}

// fail records a failure, in the table and in the journal.
func (w *writer) fail(f *chain.Failure) error {
	if err := w.insertFailure(f); err != nil {
		return err
	}
	return w.journal(kindFailed, f.Number, f.Number, failedDetail{Class: f.Class, Message: f.Message})
}
