package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	_ "modernc.org/sqlite" // the driver: SQLite without cgo

	"gapless/schema"
)

// A Reader reads a database file and can't write to it. Its methods may be
// called concurrently.
type Reader struct {
	db   *sql.DB
	path string
}

// OpenReader opens the file at path for reading, also while another process
// writes to it. It fails with [ErrForeign], [ErrNewer] or [ErrCorrupt].
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	r, err := newReader(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := r.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, explain(err)), r.Close())
	}
	return r, nil
}

// newReader opens the file; in a folder that can't be written and with no
// other process at work, SQLite needs to be told that nothing will change.
func newReader(ctx context.Context, path string) (*Reader, error) {
	var failed error
	for _, mode := range []string{"ro", "immutable"} {
		db, err := sql.Open("sqlite", dsn(path, mode, "busy_timeout(5000)", "query_only(1)"))
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(4)
		db.SetMaxIdleConns(4)
		var schemas int
		err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(&schemas)
		if err == nil {
			return &Reader{db: db, path: path}, nil
		}
		failed = errors.Join(explain(err), db.Close())
		if _, err := os.Stat(path + "-wal"); err == nil {
			break // not immutable
		}
	}
	return nil, failed
}

// current checks that the file is one that this program can read.
func (r *Reader) current(ctx context.Context) error {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ok, err := schema.Current(ctx, conn)
	if err == nil && !ok {
		err = errors.New("its schema is older; `gapless run` brings it up to date")
	}
	return err
}

// Close closes the file.
func (r *Reader) Close() error { return r.db.Close() }

// Path is the absolute path of the file.
func (r *Reader) Path() string { return r.path }

// Identity says which chain the file is of; [ErrNoChain] if it is new.
func (r *Reader) Identity(ctx context.Context) (id Identity, err error) {
	var chainID string
	var start int64
	err = r.db.QueryRowContext(ctx, `SELECT chain_id, genesis_hash, start_block, client, epoch FROM chain`).
		Scan(&chainID, fixed(id.Genesis[:]), &start, &id.Client, fixed(id.Epoch[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return id, ErrNoChain
	}
	if err != nil {
		return id, explain(err)
	}
	id.Start = uint64(start)
	id.ChainID, err = strconv.ParseUint(chainID, 10, 64)
	return id, err
}

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
	s.Timestamp, s.IndexedAt = time.Unix(timestamp, 0), time.UnixMilli(indexed)
	return &s, explain(err)
}

// A JournalRow is one thing that happened to the file.
type JournalRow struct {
	Seq         int64
	Kind        string // blocks, failed, filled, reorg or reset
	At          time.Time
	First, Last uint64
	Detail      string // JSON, or empty
}

// JournalAfter gives up to limit rows after a sequence number, in order.
func (r *Reader) JournalAfter(ctx context.Context, seq int64, limit int) ([]JournalRow, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT seq, kind, at, first_block, last_block, IFNULL(detail, '')
		FROM journal WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var found []JournalRow
	for rows.Next() {
		var j JournalRow
		var at int64
		if err := rows.Scan(&j.Seq, &j.Kind, &at, integer{&j.First}, integer{&j.Last}, &j.Detail); err != nil {
			return nil, err
		}
		j.At = time.UnixMilli(at)
		found = append(found, j)
	}
	return found, explain(rows.Err())
}

// JournalEnd is the sequence number of the journal's last row, 0 if it is
// empty.
func (r *Reader) JournalEnd(ctx context.Context) (seq int64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT IFNULL(MAX(seq), 0) FROM journal`).Scan(&seq)
	return seq, explain(err)
}

// clamp makes a block number fit a signed column.
func clamp(n uint64) int64 { return int64(min(n, 1<<63-1)) }
