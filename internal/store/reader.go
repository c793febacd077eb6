package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	_ "modernc.org/sqlite" // the driver: SQLite without cgo
)

// A Reader reads a database file and can't write to it. Its methods may be
// called concurrently.
type Reader struct {
	db   pool
	path string
}

// Close closes the file.
func (r *Reader) Close() error { return r.db.close() }

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
			return nil, err
		}
		found = append(found, a)
	}
	return found, explain(rows.Err())
}

// A Summary is what is said of one stored block in a list.
type Summary struct {
	Number       uint64
	Hash         common.Hash
	Timestamp    time.Time
	Transactions int
	IndexedAt    time.Time
}

// Latest gives the summary of the highest stored block, nil if there is none.
func (r *Reader) Latest(ctx context.Context) (*Summary, error) {
	var s Summary
	var timestamp, indexed int64
	err := r.db.QueryRowContext(ctx, `SELECT number, hash, timestamp, transaction_count, indexed_at
		FROM blocks ORDER BY number DESC LIMIT 1`).
		Scan(integer{&s.Number}, fixed(s.Hash[:]), &timestamp, &s.Transactions, &indexed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	s.Timestamp, s.IndexedAt = time.Unix(timestamp, 0), time.UnixMilli(indexed)
	return &s, nil
}

// clamp makes a block number fit a signed column.
func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }
