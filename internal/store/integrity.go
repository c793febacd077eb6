package store

import (
	"context"
	"fmt"
	"strings"

	"gapless/schema"
)

// Integrity lets SQLite check pages, indexes and types, and calls found for what is
// wrong. On a handle that only reads it leaves out CHECK constraints: what they
// guard is checked with the blocks.
//
// In a file that has tables of somebody else's too, it looks at ours alone: to check
// a table, SQLite computes what its columns and indexes are made of.
func (r *Reader) Integrity(ctx context.Context, found func(what string)) error {
	ours, err := schema.All().Tables(ctx)
	if err != nil {
		return err
	}
	var others bool
	err = r.db.QueryRowContext(ctx, fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite^_%%' ESCAPE '^' AND name NOT IN ('%s'))`, strings.Join(ours, "', '"))).Scan(&others)
	switch {
	case err != nil:
		return explain(err)
	case !others:
		return r.integrity(ctx, "20", found)
	}
	for _, table := range append(ours, "sqlite_schema") { // with the latter, the list of free pages is checked
		if err := r.integrity(ctx, table, found); err != nil {
			return err
		}
	}
	return nil
}

// integrity lets SQLite check a table, or everything up to a number of faults
// (https://sqlite.org/pragma.html#pragma_integrity_check).
func (r *Reader) integrity(ctx context.Context, what string, found func(string)) error {
	rows, err := r.db.QueryContext(ctx, `PRAGMA integrity_check(`+what+`)`)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return explain(err)
		}
		if text != "ok" {
			found(text)
		}
	}
	return explain(rows.Err())
}

// Reindex makes the indexes of our tables anew from the rows, in one transaction. It
// fails with [ErrCorrupt] where the rows can't be read, and when ctx ends; the file is
// then as it was.
func (s *Store) Reindex(ctx context.Context) error {
	ours, err := schema.All().Tables(ctx)
	if err != nil {
		return err
	}
	return s.write(ctx, func(w *writer) error {
		for _, table := range ours {
			if _, err := w.conn.ExecContext(ctx, `REINDEX `+table); err != nil {
				return fmt.Errorf("rebuild the indexes of %s: %w", table, err)
			}
		}
		return nil
	})
}
