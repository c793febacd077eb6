package store

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"gapless/schema"
)

// Writer gives the connection that writes. Use it only while no call is under
// way: then the writer rests.
func (s *Store) Writer() *sql.Conn { return s.writer.conn }

// Write hands the writer a transaction that runs fn.
func (s *Store) Write(ctx context.Context, fn func() error) error {
	return s.write(ctx, func(*writer) error { return fn() })
}

// OpenThrough is Open with a connector in the place of the driver.
func OpenThrough(ctx context.Context, path string, through func(name string) driver.Connector) (*Store, error) {
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	isNew, err := inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	return start(ctx, path, lock, sql.OpenDB(through(dsn(path, "rwc"))), isNew)
}

// Raw gives the handle that reads.
func (r *Reader) Raw(fn func(*sql.DB) error) error { return fn(r.db.db) }

// ReadThrough puts a connector in the place of the driver for whoever reads.
func (r *Reader) ReadThrough(c driver.Connector) error {
	return r.db.swap(func() (*sql.DB, error) { return sql.OpenDB(c), nil })
}

// RangeEnd is where one call of Blocks ends.
func (r *Reader) RangeEnd(ctx context.Context, first, last uint64) (end uint64, err error) {
	err = r.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		end, err = rangeEnd(ctx, tx, first, last)
		return err
	})
	return end, err
}

// MostSessions is how many views there may be at once.
const MostSessions = mostSessions

// Plan tells how SQLite would answer a query for logs.
func (r *Reader) Plan(ctx context.Context, q *LogQuery) (plan string, err error) {
	query, args := q.compile(true)
	rows, err := r.db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return "", err
		}
		plan += detail + "\n"
	}
	return plan, rows.Err()
}

// OpenReaderKnowing is OpenReader of a program that knows other schemas.
func OpenReaderKnowing(ctx context.Context, path string, known schema.Migrations) (*Reader, error) {
	return openForReading(ctx, path, known, true)
}

// NeedsUpgradeKnowing is NeedsUpgrade of a program that knows other schemas.
func NeedsUpgradeKnowing(ctx context.Context, path string, known schema.Migrations) (*Upgrade, error) {
	return needsUpgrade(ctx, path, known)
}

// MigrateKnowing brings the file up to date as Open of a program does that knows
// other schemas.
func (s *Store) MigrateKnowing(ctx context.Context, known schema.Migrations) error {
	return s.ask(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) error { return w.migrate(ctx, known) }})
}
