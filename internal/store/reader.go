package store

import (
	"context"
	"database/sql"
	"errors"
	"os"

	_ "modernc.org/sqlite" // the driver: SQLite without cgo
)

// A Reader reads a database file and can't write to it. Its methods may be
// called concurrently.
type Reader struct {
	db     pool
	path   string
	opened os.FileInfo  // the file, when it was opened; nil if that does not matter
	closed func() error // what is to be done after closing; may be nil
	glance bool         // see OpenInPlace
}

// Replaced reports whether another file has taken the place of the one that was
// opened, as a rotation does. What is read from then on, and the errors, may be
// of either: SQLite finds a file's -wal by its name.
func (r *Reader) Replaced() bool {
	if r.opened == nil {
		return false
	}
	now, err := os.Stat(r.path)
	return err != nil || !os.SameFile(r.opened, now)
}

// Close closes the file.
func (r *Reader) Close() error {
	err := r.db.close()
	if r.closed != nil {
		err = errors.Join(err, r.closed())
	}
	return err
}

// Path is the absolute path of the file.
func (r *Reader) Path() string { return r.path }

// Next is the block number that Commit takes next: one past the head.
func (r *Reader) Next(ctx context.Context) (uint64, error) {
	var next int64
	err := r.db.QueryRowContext(ctx, nextQuery).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrNoChain
	}
	return uint64(next), explain(err)
}

// Bounds are the lowest block number that is indexed, and what Next gives.
func (r *Reader) Bounds(ctx context.Context) (start, next uint64, err error) {
	err = r.db.QueryRowContext(ctx, boundsQuery).Scan(integer{&start}, integer{&next})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, ErrNoChain
	}
	return start, next, explain(err)
}

// Highest gives the highest stored block at or below a number, nil if there is
// none.
func (r *Reader) Highest(ctx context.Context, at uint64) (*Anchor, error) {
	var a Anchor
	err := r.db.QueryRowContext(ctx, `SELECT number, hash FROM blocks WHERE number <= ? ORDER BY number DESC LIMIT 1`,
		clamp(at)).Scan(integer{&a.Number}, fixed(a.Hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	return &a, nil
}

// HashesBetween gives number and hash of the stored blocks from first to last,
// in order.
func (r *Reader) HashesBetween(ctx context.Context, first, last uint64) ([]Anchor, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT number, hash FROM blocks WHERE number BETWEEN ? AND ? ORDER BY number`,
		clamp(first), clamp(last))
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var found []Anchor
	for rows.Next() {
		var a Anchor
		if err := rows.Scan(integer{&a.Number}, fixed(a.Hash[:])); err != nil {
			return nil, explain(err)
		}
		found = append(found, a)
	}
	return found, explain(rows.Err())
}

// clamp makes a block number fit a signed column.
func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }
