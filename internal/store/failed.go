package store

import (
	"context"
	"fmt"
	"time"

	"gapless/internal/chain"
)

// A Failed is a row of failed_blocks.
type Failed struct {
	Number        uint64
	Class         chain.Class
	Message       string
	RetryCount    int // tries made
	FirstFailedAt time.Time
	LastFailedAt  time.Time
	NextRetryAt   time.Time // zero if it was skipped
	SkippedAt     time.Time // zero if it was not
	SkipReason    string
}

// Skipped reports whether somebody told the program to stop trying.
func (f *Failed) Skipped() bool { return !f.SkippedAt.IsZero() }

func (w *writer) insertFailure(f *chain.Failure) error {
	err := w.exec(`INSERT INTO failed_blocks
		(block_number, error_class, error_message, retry_count, first_failed_at, last_failed_at, next_retry_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		int64(f.Number), string(f.Class), f.Message, f.Tries, f.At.UnixMilli(), f.At.UnixMilli(), f.NextAt.UnixMilli())
	if err != nil {
		return fmt.Errorf("failure of block %d: %w", f.Number, err)
	}
	return nil
}

// RetryFailed records another failed try of a missing block: f.Tries is the
// count of all tries so far. It is [ErrObsolete] if the block is no longer
// missing or was skipped.
func (s *Store) RetryFailed(ctx context.Context, f *chain.Failure) error {
	return s.write(ctx, func(w *writer) error {
		n, err := w.affect(`UPDATE failed_blocks SET error_class = ?1, error_message = ?2, retry_count = ?3,
			first_failed_at = MIN(first_failed_at, ?4), last_failed_at = ?4, next_retry_at = ?5
			WHERE block_number = ?6 AND skipped_at IS NULL`, // the clock may have been ahead at the first
			string(f.Class), f.Message, f.Tries, f.At.UnixMilli(), f.NextAt.UnixMilli(), clamp(f.Number))
		if err == nil && n == 0 {
			return ErrObsolete
		}
		return err
	})
}

// RetryNow makes missing blocks from first to last due at once, skipped ones
// too, and returns how many. The time of the last failure is one that has come,
// whatever the clock says later.
func (s *Store) RetryNow(ctx context.Context, first, last uint64) (count int64, err error) {
	err = s.write(ctx, func(w *writer) error {
		count, err = w.affect(`UPDATE failed_blocks SET next_retry_at = last_failed_at, skipped_at = NULL, skip_reason = NULL
			WHERE block_number BETWEEN ? AND ?`, clamp(first), clamp(last))
		return err
	})
	return count, err
}

// Skip stops the retries of a missing block, for a reason. The block still
// counts as missing. It is [ErrNotFound] if the block is not missing.
func (s *Store) Skip(ctx context.Context, number uint64, reason string) error {
	return s.write(ctx, func(w *writer) error {
		n, err := w.affect(`UPDATE failed_blocks SET next_retry_at = NULL, skipped_at = ?, skip_reason = ?
			WHERE block_number = ?`, now(), reason, clamp(number))
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}

const failedColumns = `block_number, error_class, error_message, retry_count, first_failed_at, last_failed_at,
	next_retry_at, skipped_at, skip_reason`

// Failed gives the row of a missing block; [ErrNotFound] if it is not missing.
func (r *Reader) Failed(ctx context.Context, number uint64) (*Failed, error) {
	rows, err := r.failed(ctx, `SELECT `+failedColumns+` FROM failed_blocks WHERE block_number = ?`, clamp(number))
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &rows[0], nil
}

// FailedFrom gives up to limit missing blocks from a number on, in order.
func (r *Reader) FailedFrom(ctx context.Context, from uint64, limit int) ([]Failed, error) {
	return r.failed(ctx, `SELECT `+failedColumns+` FROM failed_blocks WHERE block_number >= ?
		ORDER BY block_number LIMIT ?`, clamp(from), limit)
}

// CountMissing says how many blocks from first to last are missing. It counts
// rows one by one: not for what is asked often of a wide range.
func (r *Reader) CountMissing(ctx context.Context, first, last uint64) (count uint64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT count(*) FROM failed_blocks WHERE block_number BETWEEN ? AND ?`,
		clamp(first), clamp(last)).Scan(integer{&count})
	return count, explain(err)
}

func (r *Reader) failed(ctx context.Context, query string, args ...any) ([]Failed, error) {
	rows, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var found []Failed
	for rows.Next() {
		var f Failed
		var first, last int64
		var next, skipped *int64
		var reason *string
		if err := rows.Scan(integer{&f.Number}, &f.Class, &f.Message, &f.RetryCount, &first, &last, &next, &skipped, &reason); err != nil {
			return nil, explain(err)
		}
		reckon(&first, &last, next)
		f.FirstFailedAt, f.LastFailedAt = time.UnixMilli(first), time.UnixMilli(last)
		if next != nil {
			f.NextRetryAt = time.UnixMilli(*next)
		}
		if skipped != nil {
			f.SkippedAt, f.SkipReason = time.UnixMilli(*skipped), *reason
		}
		found = append(found, f)
	}
	return found, explain(rows.Err())
}

// reckon corrects the times of a row that was written while the clock was ahead of
// the present one: its failure is of now then, and the next retry as long after it
// as it was to be.
func reckon(first, last *int64, next *int64) {
	now := now()
	if ahead := *last - now; ahead > 0 {
		*last = now
		if next != nil {
			*next -= ahead
		}
	}
	*first = min(*first, now)
}

// A Due is what the retry queue needs of a missing block.
type Due struct {
	Number        uint64
	Class         chain.Class
	RetryCount    int
	FirstFailedAt time.Time
	NextRetryAt   time.Time // zero if it was skipped
}

// EachDue calls fn for every missing block, lowest first, in chunks, so that
// no snapshot is held for long.
func (r *Reader) EachDue(ctx context.Context, fn func(Due)) error {
	const chunk = 50_000
	for from := int64(0); ; {
		n, err := r.dueChunk(ctx, from, chunk, func(d Due) {
			from = int64(d.Number) + 1
			fn(d)
		})
		if err != nil || n < chunk {
			return err
		}
	}
}

func (r *Reader) dueChunk(ctx context.Context, from int64, limit int, fn func(Due)) (n int, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT block_number, error_class, retry_count, first_failed_at, last_failed_at, next_retry_at
		FROM failed_blocks WHERE block_number >= ? ORDER BY block_number LIMIT ?`, from, limit)
	if err != nil {
		return 0, explain(err)
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var d Due
		var first, last int64
		var next *int64
		if err := rows.Scan(integer{&d.Number}, &d.Class, &d.RetryCount, &first, &last, &next); err != nil {
			return n, explain(err)
		}
		reckon(&first, &last, next)
		d.FirstFailedAt = time.UnixMilli(first)
		if next != nil {
			d.NextRetryAt = time.UnixMilli(*next)
		}
		fn(d)
	}
	return n, explain(rows.Err())
}
