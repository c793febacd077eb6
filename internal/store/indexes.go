package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"gapless/schema"
)

// ErrUnindexed says that the indexes by address, topic and token are not made
// yet: see [Store.PostponeIndexes].
var ErrUnindexed = errors.New("what an address, topic or token has in the file can be told once its first sync is done")

// An index is one that a statement of the schema makes.
type index struct{ name, sql string }

// readIndexes gives those that a file has, by name.
func readIndexes(ctx context.Context, conn *sql.Conn) (all []index, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var i index
		if err := rows.Scan(&i.name, &i.sql); err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, rows.Err()
}

// allIndexes gives those of the schema, from a file in memory that is made by it.
var allIndexes = sync.OnceValues(func() (all []index, err error) {
	ctx := context.Background() // it is for all who come later too
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := schema.All().Migrate(ctx, conn); err != nil {
		return nil, err
	}
	return readIndexes(ctx, conn)
})

// postponed are the indexes that come last. The others are looked at while
// blocks come in.
var postponed = []string{
	"logs_by_address", "logs_by_block", "logs_by_topic",
	"transactions_by_block", "transactions_by_contract", "transactions_by_recipient", "transactions_by_sender",
	"transfers_by_recipient", "transfers_by_sender", "transfers_by_token",
}

// PostponeIndexes drops the indexes by address, topic and token of a file that
// never had a block number, stored or missing; else it does nothing. A long chain
// is stored in half the time without them, and they are made in a fraction of
// that, and smaller, once there are rows: by [Store.BuildIndex] of each that
// [Store.MissingIndexes] names.
func (s *Store) PostponeIndexes(ctx context.Context) error {
	return s.write(ctx, func(w *writer) error {
		start, next, err := w.bounds()
		if err != nil || next > start {
			return err
		}
		had, err := w.get(`SELECT 1 FROM journal WHERE kind IN (?, ?) LIMIT 1`, []any{kindBlocks, kindFailed}, []any{new(int)})
		if err != nil || had { // and has left them all: whoever reads may count on the indexes
			return err
		}
		for _, name := range postponed {
			if _, err := w.conn.ExecContext(context.Background(), `DROP INDEX IF EXISTS `+name); err != nil { // what was taken is carried out
				return err
			}
		}
		return nil
	})
}

// MissingIndexes names the indexes that the file lacks.
func (s *Store) MissingIndexes(ctx context.Context) (names []string, err error) {
	all, err := allIndexes()
	if err != nil {
		return nil, err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, explain(err)
	}
	defer conn.Close()
	has, err := readIndexes(ctx, conn)
	if err != nil {
		return nil, explain(err)
	}
	for _, i := range all {
		if !slices.ContainsFunc(has, func(h index) bool { return h.name == i.name }) {
			names = append(names, i.name)
		}
	}
	return names, nil
}

// BuildIndex makes an index that the file lacks, in a transaction of its own. If
// ctx ends before it is done, nothing has changed. It takes some seconds for a
// million rows; other writes wait meanwhile, and SQLite sorts in the folder for
// temporary files.
func (s *Store) BuildIndex(ctx context.Context, name string) error {
	all, err := allIndexes()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(i index) bool { return i.name == name })
	if at < 0 {
		return fmt.Errorf("the schema has no index %s", name)
	}
	return s.write(ctx, func(w *writer) (err error) {
		if err := w.cache(buildCache); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.cache(cacheSize)) }()
		if _, err := w.conn.ExecContext(ctx, all[at].sql); err != nil {
			return fmt.Errorf("build index %s: %w", name, err)
		}
		return nil
	})
}

// What SQLite keeps of the file in memory, in kB, and while it makes an index:
// then it sorts in as much memory again (https://sqlite.org/pragma.html#pragma_cache_size).
const (
	cacheSize  = 24576
	buildCache = 8192
)

// cache sets how much SQLite keeps in memory.
func (w *writer) cache(kB int) error {
	_, err := w.conn.ExecContext(context.Background(), fmt.Sprintf(`PRAGMA cache_size = -%d`, kB))
	return err
}

// Postponed reports whether indexes are still to be made, as by
// [Store.PostponeIndexes].
func (r *Reader) Postponed(ctx context.Context) (postponed bool, err error) {
	err = r.View(ctx, func(v *View) error {
		indexed, err := v.indexed()
		postponed = !indexed
		return err
	})
	return postponed, err
}

// mustBeIndexed fails with [ErrUnindexed] while indexes are postponed.
func (r *Reader) mustBeIndexed(ctx context.Context) error {
	postponed, err := r.Postponed(ctx)
	if err == nil && postponed {
		err = ErrUnindexed
	}
	return err
}

// indexed reports whether no index is postponed. None will be any more once a
// file with blocks has them all, so that is remembered.
func (v *View) indexed() (bool, error) {
	if v.s.indexed {
		return true, nil
	}
	var has, stored bool
	err := v.get(indexedQuery, nil, &has, &stored)
	v.s.indexed = has && stored
	return has, err
}

var indexedQuery = fmt.Sprintf(`SELECT COUNT(*) = %d, EXISTS (SELECT 1 FROM blocks)
	FROM sqlite_schema WHERE type = 'index' AND name IN ('%s')`, len(postponed), strings.Join(postponed, "', '"))
