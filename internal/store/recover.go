package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gapless/internal/chain"
	"gapless/schema"
)

// Recover writes what can be read of a damaged file to a new one, row by row, which
// takes its place. The damaged one is kept as FILE.damaged, or under the next name
// that is free, which is returned. Nobody has the file open. What a row says is for a
// [Checker] to prove, and blocks that are gone are to be made missing. It fails as
// Open does, and with [ErrCorrupt] if it can't be read which chain the file is of.
func Recover(ctx context.Context, path string) (aside string, err error) {
	path, err = resolve(path)
	if err != nil {
		return "", err
	}
	if err := errors.Join(writable(path), single(path)); err != nil {
		return "", fmt.Errorf("recover %s: %w", path, err)
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return "", fmt.Errorf("recover %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if aside, err = recoverFile(ctx, path); err != nil {
		return "", fmt.Errorf("recover %s: %w", path, explain(err))
	}
	return aside, nil
}

func recoverFile(ctx context.Context, path string) (aside string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	to, err := newFile(path+".recovering", info.Mode().Perm())
	if err != nil {
		return "", err
	}
	if err := recoverInto(ctx, path, to); err != nil {
		return "", errors.Join(err, removeFiles(to))
	}
	if aside, err = newFile(path+".damaged", info.Mode().Perm()); err != nil { // it takes the name
		return "", errors.Join(err, removeFiles(to))
	}
	if err = rename(path, aside); err == nil {
		err = os.Rename(to, path)
	}
	if err != nil {
		return "", fmt.Errorf("%w; what was recovered is in %s", err, to)
	}
	return aside, SyncFolder(filepath.Dir(path))
}

func removeFiles(path string) (err error) {
	for _, ending := range []string{"", "-wal", "-shm", "-journal"} {
		if gone := os.Remove(path + ending); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// recoverInto fills an empty file.
func recoverInto(ctx context.Context, path, to string) (err error) {
	damaged, err := openDamaged(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, damaged.Close()) }()
	err = settle(ctx, to, func(ctx context.Context, conn *sql.Conn) error {
		if err := prepareFile(ctx, conn, true); err != nil {
			return err
		}
		if err := schema.All().Migrate(ctx, conn); err != nil {
			return err
		}
		s := salvage{from: damaged, to: conn}
		return s.all(ctx)
	})
	if err != nil {
		return err
	}
	s, err := Open(ctx, to)
	if err != nil {
		return err
	}
	return errors.Join(s.write(ctx, (*writer).agree), s.Close(), os.Remove(to+".lock"))
}

func openDamaged(ctx context.Context, path string) (*Reader, error) {
	r, err := openInPlace(ctx, path)
	if err == nil {
		if _, err = r.version(ctx, schema.All()); err == nil {
			return r, nil
		}
		err = errors.Join(err, r.Close())
	}
	if errors.Is(explain(err), ErrCorrupt) {
		return openWithoutSchema(ctx, path)
	}
	return nil, err
}

// agree makes the journal and the head say the same where the newest rows of either
// were lost: what only the journal knows of is missing.
func (w *writer) agree() error {
	start, next, err := w.bounds()
	if err != nil {
		return err
	}
	if err := w.exec(`DELETE FROM journal WHERE last_block > ?`, clamp(next+maxUntracked)); err != nil {
		return err // no file has lost that many: the row itself is damaged
	}
	var journaled *uint64
	if _, err := w.get(journalNextQuery, nil, []any{optInteger{&journaled}}); err != nil {
		return err
	}
	if journaled == nil {
		journaled = &start
	}
	if *journaled < next {
		return w.journal(kindBlocks, *journaled, next-1, nil)
	}
	for number := next; number < *journaled; number++ {
		f := chain.Failed(number, &chain.Error{Class: chain.Hole, Err: errors.New("what was stored could not be read")}, 1, time.Now())
		f.NextAt = f.At
		if err := w.insertFailure(f); err != nil {
			return err
		}
	}
	return nil
}

// A salvage copies the rows that can be read, and leaves out the others.
type salvage struct {
	from *Reader
	to   *sql.Conn

	first, last int64 // block numbers that there can be
}

// all copies all tables, in one transaction.
func (s *salvage) all(ctx context.Context) error {
	tables, err := schema.All().Tables(ctx)
	if err != nil {
		return err
	}
	if err := s.bounds(ctx); err != nil {
		return err
	}
	if _, err := s.to.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, name := range tables {
		if err := s.table(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err = s.to.ExecContext(ctx, `COMMIT`)
	return err
}

// bounds finds out which numbers there can be, from all tables that say something of
// that: the end of one may be what can't be read.
func (s *salvage) bounds(ctx context.Context) error {
	err := s.from.db.QueryRowContext(ctx, `SELECT start_block FROM chain`).Scan(&s.first)
	if err != nil {
		return fmt.Errorf("%w: it can't be read which chain it is of: %w", ErrCorrupt, err)
	}
	s.last = s.first
	for _, query := range []string{
		`SELECT MAX(number) FROM blocks`, `SELECT MAX(block_number) FROM failed_blocks`,
		`SELECT MAX(id) >> 24 FROM transactions`, `SELECT MAX(id) >> 24 FROM logs`,
		`SELECT last_block FROM journal ORDER BY seq DESC LIMIT 1`,
	} {
		var last *int64
		if s.from.db.QueryRowContext(ctx, query).Scan(&last) == nil && last != nil && *last <= mostNumber {
			s.last = max(s.last, *last)
		}
	}
	return context.Cause(ctx)
}

// A salvagedTable is a table whose rows are copied.
type salvagedTable struct {
	from    *Reader
	key     string // column by which rows are in order
	shared  bool   // more rows than one may have the same key
	unit    uint   // bits of the key that are of one block
	read    string // SQL up to the range
	columns int
	insert  *sql.Stmt
	left    int // how often it may still fail to read
}

func (s *salvage) table(ctx context.Context, name string) error {
	columns, shared, err := s.columns(ctx, name)
	if err != nil {
		return err
	}
	marks, list := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", "), strings.Join(columns, ", ")
	insert, err := s.to.PrepareContext(ctx, `INSERT INTO `+name+` (`+list+`) VALUES (`+marks+`)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	t := &salvagedTable{from: s.from, key: columns[0], shared: shared, read: `SELECT ` + list + ` FROM ` + name, columns: len(columns), insert: insert, left: maxUntracked}
	switch name {
	case "chain", "exemptions":
		return t.span(ctx, 0, 64)
	case "journal":
		t.left = 1000 // nobody knows where it ends
		return t.span(ctx, 0, math.MaxInt32)
	case "transactions", "logs":
		t.unit = positionBits
		return t.span(ctx, firstID(uint64(s.first)), lastID(uint64(s.last)))
	}
	return t.span(ctx, s.first, s.last)
}

// columns gives those that are stored, first the one by which rows are in order, and
// whether rows share what is in that.
func (s *salvage) columns(ctx context.Context, table string) (names []string, shared bool, err error) {
	rows, err := s.to.QueryContext(ctx, `SELECT name, pk > 1 FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY pk = 1 DESC, cid`, table)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var inKey bool
		if err := rows.Scan(&name, &inKey); err != nil {
			return nil, false, err
		}
		names, shared = append(names, name), shared || inKey
	}
	return names, shared, rows.Err()
}

// span copies the rows with keys from first to last: from below as far as that goes,
// then from above, then by halves what lies between, down to one block.
func (t *salvagedTable) span(ctx context.Context, first, last int64) error {
	first, err := t.scan(ctx, first, last, "ASC")
	if err != nil || first > last {
		return err
	}
	if last, err = t.scan(ctx, first, last, "DESC"); err != nil || first>>t.unit >= last>>t.unit || t.left == 0 {
		return err
	}
	t.left--
	middle := (first + (last-first)/2) | (1<<t.unit - 1)
	if middle >= last {
		middle = first | (1<<t.unit - 1)
	}
	return errors.Join(t.span(ctx, first, middle), t.span(ctx, middle+1, last))
}

// scan copies rows in an order until one can't be read. It gives the bound of what is
// left, which is past the other one if nothing is.
func (t *salvagedTable) scan(ctx context.Context, first, last int64, order string) (bound int64, err error) {
	step, bound, end := int64(1), first, last+1
	if order == "DESC" {
		step, bound, end = -1, last, first-1
	}
	rows, err := t.from.db.QueryContext(ctx, t.read+` WHERE `+t.key+` BETWEEN ? AND ? ORDER BY `+t.key+` `+order, first, last)
	if err != nil {
		return bound, context.Cause(ctx)
	}
	defer rows.Close()
	values, into := make([]any, t.columns), make([]any, t.columns)
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return bound, nil
		}
		key, ok := values[0].(int64)
		if !ok || key < first || key > last || (key-bound)*step < 0 {
			return bound, nil // the rows are not in order
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok && len(b) == 0 {
				values[i] = []byte{} // else it is taken for NULL
			}
		}
		if _, err := t.insert.ExecContext(ctx, values...); err != nil && !isRefused(err) {
			return bound, err
		}
		if bound = key; !t.shared {
			bound += step
		} // else what was copied of it already is refused the next time
	}
	if err := rows.Err(); err != nil {
		return bound, context.Cause(ctx)
	}
	return end, nil
}

// isRefused reports whether a row has what its table can't have.
func isRefused(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT || e.Code()&0xff == sqlite3.SQLITE_MISMATCH)
}
