package store

import (
	"context"
	"errors"
	"fmt"
)

// LeastKept is how many blocks below the head stay where nothing says what is
// final: a reorg may leave them.
const LeastKept = 256

// pruneRows is about how many rows one call of Prune deletes, so that commits do
// not wait for long.
const pruneRows = 10_000

// Prune moves the start block up towards a number, as far as one transaction
// goes, and says where it is then: what is below it, stored or missing, is gone.
// Call it again until it is there. It fails if no stored block would be left.
//
// What was deleted is free for what is written next: see [Store.Shrink].
func (s *Store) Prune(ctx context.Context, below uint64) (start uint64, err error) {
	err = s.write(ctx, func(w *writer) error {
		if start, err = w.prune(below); err != nil {
			return fmt.Errorf("prune below block %d: %w", below, err)
		}
		return nil
	})
	return start, err
}

func (w *writer) prune(below uint64) (uint64, error) {
	start, next, err := w.bounds()
	if err != nil || below <= start {
		return start, err
	}
	highest, err := w.stored(next)
	if err != nil {
		return start, err
	}
	if highest == nil || highest.Number < below {
		return start, errors.New("no stored block would be left")
	}
	end, err := w.pruneEnd(start, below)
	if err != nil {
		return start, err
	}
	if err := w.deleteBlocks(start, end-1); err != nil {
		return start, err
	}
	if err := w.exec(`UPDATE chain SET start_block = ?`, int64(end)); err != nil {
		return start, err
	}
	return end, w.journalPruned(start, end-1)
}

// pruneEnd says where a transaction's share of the blocks from first on ends.
func (w *writer) pruneEnd(first, below uint64) (uint64, error) {
	s, err := w.prepared(`SELECT number, transaction_count + 2 * log_count FROM blocks
		WHERE number >= ? AND number < ? ORDER BY number`)
	if err != nil {
		return 0, err
	}
	rows, err := s.Query(int64(first), int64(below))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var number, most, sum uint64 = 0, first + pruneRows, 0
	for rows.Next() {
		var in uint64
		if err := rows.Scan(integer{&number}, integer{&in}); err != nil {
			return 0, err
		}
		if sum += 1 + in; sum >= pruneRows {
			most = number + 1
			break
		}
	}
	return min(most, below), rows.Err()
}

// journalPruned notes what went. There is one such row, the newest, for all that
// ever did.
func (w *writer) journalPruned(first, last uint64) error {
	var before int64
	_, err := w.get(`SELECT seq, first_block FROM journal WHERE kind = ?`, []any{kindPruned}, []any{&before, integer{&first}})
	if err != nil {
		return err
	}
	if err := w.journal(kindPruned, first, last, nil); err != nil {
		return err
	}
	return w.exec(`DELETE FROM journal WHERE seq = ?`, before)
}

// Prunable is the highest number that Prune may be given without regrets: all
// that is below is final, or where nothing says what is, [LeastKept] below the
// head. It is the start block if there is none above it.
func (r *Reader) Prunable(ctx context.Context) (below uint64, err error) {
	err = r.View(ctx, func(v *View) error {
		start, next, err := v.Bounds()
		if err != nil {
			return err
		}
		below = start
		final, _, err := v.Finality()
		if err != nil {
			return err
		}
		most := next - min(next, LeastKept)
		if final != nil {
			most = min(final.Number, next)
		}
		highest, err := v.Highest(most)
		below = max(start, highest)
		return err
	})
	if errors.Is(err, ErrNotFound) { // nothing is stored below
		err = nil
	}
	return below, err
}

// Shrink gives space that rows left back to the file system, if it is worth it:
// what is written next takes it too. It goes in steps between which others
// write, and the file is smaller once its -wal was taken into it. A file that
// was made without that ability stays as it is.
func (s *Store) Shrink(ctx context.Context) error {
	const step, least = 500, 2000 // pages
	for worth := false; ; worth = true {
		var pages, free int64
		err := s.hand(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) (err error) {
			if pages, free, err = w.pages(); err != nil || free == 0 || !worth && (free < least || free < pages/8) {
				free = 0
				return err
			}
			return w.vacuum(step)
		}})
		if err != nil || free == 0 {
			return err
		}
	}
}

// pages counts those of the file, and of them the free ones. None counts as free
// that can't be given back.
func (w *writer) pages() (pages, free int64, err error) {
	_, err = w.get(`SELECT page_count, IIF(auto_vacuum = 2, freelist_count, 0)
		FROM pragma_page_count, pragma_freelist_count, pragma_auto_vacuum`, nil, []any{&pages, &free})
	return pages, free, err
}

// vacuum gives back up to n pages. SQLite moves one for each row that is asked
// for (https://sqlite.org/pragma.html#pragma_incremental_vacuum).
func (w *writer) vacuum(n int) error {
	s, err := w.prepared(fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, n))
	if err != nil {
		return err
	}
	rows, err := s.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
