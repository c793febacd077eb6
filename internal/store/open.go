package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gapless/schema"
)

// OpenReader opens the file at path for reading, also while another process
// writes to it. It fails with [ErrForeign], [ErrNewer] or [ErrCorrupt].
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := size(path); err != nil {
		return nil, err
	}
	r, err := newReader(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	current, err := r.current(ctx)
	if err == nil && !current {
		err = errors.New("its schema is older; `gapless run` brings it up to date")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, explain(err)), r.Close())
	}
	return r, nil
}

// newReader opens the file; in a folder that can't be written and with no
// other process at work, SQLite needs to be told that nothing will change.
func newReader(ctx context.Context, path string) (*Reader, error) {
	r, err := openReader(ctx, path, "ro")
	if err != nil && unwritable(err) && !hasWAL(path) {
		r, err = openReader(ctx, path, "immutable")
	}
	return r, explain(err)
}

func openReader(ctx context.Context, path, mode string) (*Reader, error) {
	db, err := openPool(ctx, path, mode)
	if err != nil {
		return nil, err
	}
	return &Reader{db: newPool(db), path: path}, nil
}

func openPool(ctx context.Context, path, mode string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, mode, "busy_timeout(5000)", "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4 + mostSessions)
	db.SetMaxIdleConns(4)
	var objects int
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(&objects); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// unwritable reports whether SQLite could not make the files that it needs
// beside a file in WAL mode.
func unwritable(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_CANTOPEN || e.Code()&0xff == sqlite3.SQLITE_READONLY)
}

// current reports whether the file has the schema that this program knows.
func (r *Reader) current(ctx context.Context) (bool, error) {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	return schema.Current(ctx, conn)
}

// inspect reports whether the file is new, that is absent or empty, and fails
// if it is none that this program may write to. It only reads: the last handle
// that could write would, on closing, move a -wal into another program's file.
func inspect(ctx context.Context, path string) (isNew bool, err error) {
	bytes, err := size(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || bytes == 0 {
		return err == nil, err
	}
	mode := "ro"
	if !hasWAL(path) {
		mode = "immutable" // leaves no -wal behind
	}
	r, err := openReader(ctx, path, mode)
	if err != nil {
		return false, err
	}
	_, err = r.current(ctx)
	return false, errors.Join(err, r.Close())
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

// hasWAL reports whether there is content in a -wal beside the file.
func hasWAL(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// prepareFile sets what was measured best (see README) and migrates.
func prepareFile(ctx context.Context, conn *sql.Conn, isNew bool) error {
	if isNew {
		if _, err := conn.ExecContext(ctx, `PRAGMA page_size = 8192`); err != nil {
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
		`cache_size = -32768`,
		`wal_autocheckpoint = 2000`,
		`journal_size_limit = 67108864`,
	} {
		if _, err := conn.ExecContext(ctx, `PRAGMA `+pragma); err != nil {
			return err
		}
	}
	return schema.Migrate(ctx, conn)
}
