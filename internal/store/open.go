package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gapless/schema"
)

// inspect reports whether the file is new, that is absent or empty, and fails
// if it is none that this program may write to. It only reads: the last handle
// that could write would, on closing, move a -wal into another program's file.
func inspect(ctx context.Context, path string) (isNew bool, err error) {
	if err := rollBack(ctx, path); err != nil {
		return false, err
	}
	bytes, err := size(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || bytes == 0 {
		return err == nil, err
	}
	mode := "ro"
	if !unfinished(path) {
		mode = "immutable" // leaves no -wal behind
	}
	r, err := openReader(ctx, path, mode)
	if err != nil {
		return false, err
	}
	_, err = r.version(ctx, schema.All())
	return false, errors.Join(err, r.Close())
}

// rollBack has SQLite take back what a transaction had written into the file itself
// when the machine died, as whoever opens the file for writing does. Ours do so only
// until the file is in WAL mode, which a new one and a backup are not.
func rollBack(ctx context.Context, path string) error {
	if length(path+"-journal") == 0 || !exists(path) {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(path, "rw"))
	if err != nil {
		return err
	}
	if err := touch(ctx, db); err != nil {
		return err
	}
	return db.Close()
}

// size is that of a file, which must not be a folder or something else.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("open %s: not a file", path)
	}
	return info.Size(), nil
}

// prepareFile sets what was measured best (see README).
func prepareFile(ctx context.Context, conn *sql.Conn, isNew bool) error {
	if isNew {
		if _, err := conn.ExecContext(ctx, `PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL`); err != nil {
			return err
		}
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %s, not wal: is the file on a network drive?", mode)
	}
	for _, pragma := range []string{
		`synchronous = FULL`, // what was told is never taken back
		fmt.Sprintf(`cache_size = -%d`, cacheSize),
		`ignore_check_constraints = ON`, // for who else writes: here lengths are those of Go types, and Checker proves the rest
		`wal_autocheckpoint = 2000`,
		`journal_size_limit = 67108864`,
	} {
		if _, err := conn.ExecContext(ctx, `PRAGMA `+pragma); err != nil {
			return err
		}
	}
	return nil
}
