package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"gapless/schema"
)

// openWithoutSchema gives a reader of a file in which the description of the tables
// can't be read: of a copy beside it, with ours in its place. Only where each table
// begins is taken from the file. Closing the reader removes the copy.
func openWithoutSchema(ctx context.Context, path string) (r *Reader, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	private, err := newFile(path+".recovering", info.Mode().Perm())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeFiles(private))
		}
	}()
	for i, ending := range besides {
		if i == 0 {
			err = os.Remove(private) // the name was free
		}
		if err == nil {
			err = copyFile(ctx, path+ending, private+ending)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := replaceSchema(ctx, private); err != nil {
		return nil, err
	}
	if r, err = openReader(ctx, private, "ro"); err != nil {
		return nil, err
	}
	r.closed = func() error { return removeFiles(private) }
	return r, nil
}

// replaceSchema writes our description of the tables into a file, and takes everything
// else out of it (https://sqlite.org/pragma.html#pragma_writable_schema).
func replaceSchema(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "new", "writable_schema(1)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	described, err := schema.All().Described(ctx)
	if err != nil {
		return err
	}
	found, err := findTables(ctx, conn, described)
	if err != nil {
		return err
	}
	var kept []string
	for name, row := range found {
		_, err := conn.ExecContext(ctx, `UPDATE sqlite_schema SET type = 'table', name = ?1, tbl_name = ?1, sql = ?2 WHERE rowid = ?3`, name, described[name], row)
		if err != nil {
			return err
		}
		kept = append(kept, fmt.Sprint(row))
	}
	_, err = conn.ExecContext(ctx, `DELETE FROM sqlite_schema WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' AND rowid NOT IN (`+strings.Join(kept, ", ")+`)`)
	return err
}

// findTables gives the rows of sqlite_schema that are of our tables. If one of ours
// has none, it is the one that has no name of ours and begins somewhere.
func findTables(ctx context.Context, conn *sql.Conn, described map[string]string) (map[string]int64, error) {
	rows, err := conn.QueryContext(ctx, `SELECT rowid, type, name, tbl_name FROM sqlite_schema WHERE rootpage > 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]int64)
	var nameless []int64
	for rows.Next() {
		var row int64
		var kind, name, table string
		if err := rows.Scan(&row, &kind, &name, &table); err != nil {
			return nil, err
		}
		switch _, ours := described[name]; {
		case ours:
			found[name] = row
		case kind == "table" && !strings.HasPrefix(name, "sqlite_"):
			nameless = append(nameless, row)
		}
	}
	for name := range described {
		if _, ok := found[name]; !ok && len(nameless) == 1 && len(found) == len(described)-1 {
			found[name] = nameless[0]
		}
	}
	if err := rows.Err(); err != nil || len(found) < len(described) {
		return nil, errors.Join(ErrCorrupt, err)
	}
	return found, nil
}
