package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gapless/internal/pause"
	"gapless/schema"
)

// OpenReader opens the file at path for reading, also while another process
// writes to it, and leaves nothing beside it. A file of an older schema is read
// from a private copy that is brought up to date, and so is one that SQLite
// can't read where it is; a copy takes as much room in the folder for temporary
// files, until Close. It fails with [ErrForeign], [ErrOlder], [ErrNewer],
// [ErrAltered] or [ErrCorrupt].
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	return openForReading(ctx, path, schema.All(), true)
}

// OpenInPlace is OpenReader for those who only want a glance, or will write
// later: it copies nothing, and fails where a copy would be needed.
func OpenInPlace(ctx context.Context, path string) (*Reader, error) {
	r, err := openForReading(ctx, path, schema.All(), false)
	if err == nil {
		r.glance = true
	}
	return r, err
}

func openForReading(ctx context.Context, path string, known schema.Migrations, mayCopy bool) (*Reader, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	TempBeside(path)
	before, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for tries := 1; ; tries++ {
		r, err := openOnce(ctx, path, known, mayCopy)
		now, gone := os.Stat(path)
		if err == nil || tries == mostRotations || gone == nil && os.SameFile(before, now) {
			return r, err
		}
		if err := pause.For(ctx, rotationTime); err != nil { // a rotation was under way, and is soon over
			return nil, err
		}
		if gone == nil {
			before = now
		}
	}
}

// How often, and after how long, a file is opened again that another took the
// place of meanwhile.
const (
	mostRotations = 5
	rotationTime  = 20 * time.Millisecond
)

func openOnce(ctx context.Context, path string, known schema.Migrations, mayCopy bool) (*Reader, error) {
	if _, err := size(path); err != nil {
		return nil, err
	}
	if err := readable(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if unfinished(path) {
		if err := single(path); err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
	r, err := openInPlace(ctx, path)
	if mayCopy && errors.Is(err, errUnfinished) {
		r, err = openCopyOfFiles(ctx, path, known)
	}
	if err == nil {
		r, err = r.upToDate(ctx, known, mayCopy)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, explain(err))
	}
	return r, nil
}

// upToDate gives a reader of the file by the schema that is known: itself, or
// one of a copy. If it fails, r is closed.
func (r *Reader) upToDate(ctx context.Context, known schema.Migrations, mayCopy bool) (*Reader, error) {
	version, err := r.version(ctx, known)
	switch {
	case err != nil:
	case version == known.Last():
		return r, nil
	case !mayCopy:
		err = errors.New("its schema is older; `gapless run` brings it up to date")
	default:
		copied, err := r.openCopy(ctx, known)
		return copied, errors.Join(err, r.Close())
	}
	return nil, errors.Join(err, r.Close())
}

// openInPlace opens the file where it is.
//
// SQLite makes a -wal and a -shm to read a file in WAL mode, and those who only
// read can't take them away again. So where nobody has the file open, it is told
// that the file can't change (https://sqlite.org/c3ref/open.html, immutable), if
// this process could not write either; else it reads as usual, and the two are
// taken away by a connection that may write, under SQLite's own locks.
func openInPlace(ctx context.Context, path string) (*Reader, error) {
	whole, mayWrite := !unfinished(path), isWritable(path)
	if !mayWrite && !exists(path+"-shm") { // SQLite might make one that the owner can't write
		if whole {
			return openFrozen(ctx, path)
		}
		return nil, errUnfinished
	}
	r, err := openReader(ctx, path, "ro")
	switch {
	case unwritable(err) && whole:
		return openFrozen(ctx, path)
	case unwritable(err):
		return nil, errors.Join(errUnfinished, err)
	case err == nil && whole && mayWrite:
		r.closed = func() error { return tidy(context.WithoutCancel(ctx), path) }
	}
	return r, err
}

// errUnfinished says that a process died while it wrote, or is at work, and that
// this one may not make what SQLite needs to read what it has written.
var errUnfinished = errors.New("what was written last is in a file beside it, and can't be read without writing to the folder")

func openReader(ctx context.Context, path, mode string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	db, err := openPool(ctx, path, mode)
	if err != nil {
		return nil, err
	}
	return &Reader{db: newPool(db), path: path, opened: info}, nil
}

func openPool(ctx context.Context, path, mode string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, mode, "busy_timeout(5000)", "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4 + mostSessions)
	db.SetMaxIdleConns(4)
	return db, touch(ctx, db)
}

// touch makes SQLite open the file and read its schema, and runs nothing that is in
// it. If it can't, db is closed.
func touch(ctx context.Context, db *sql.DB) error {
	var objects int
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(&objects); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// tidy has SQLite take away the -wal and -shm that it made to read the file, if
// there is nothing in them. It does so when the last connection is closed, if
// that may write; whether it is the last, it knows.
func tidy(ctx context.Context, path string) error {
	if !exists(path+"-wal") || unfinished(path) {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(path, "rw"))
	if err != nil {
		return err
	}
	if err := touch(ctx, db); err != nil {
		return nil // somebody is at work, and they stay
	}
	return db.Close()
}

// unwritable reports whether SQLite could not make the files that it needs
// beside a file in WAL mode, or could not roll back a transaction.
func unwritable(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_CANTOPEN || e.Code()&0xff == sqlite3.SQLITE_READONLY)
}

// version gives the schema of the file.
func (r *Reader) version(ctx context.Context, known schema.Migrations) (int, error) {
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return known.Version(ctx, conn)
}

// unfinished reports whether the file alone does not say what is stored: there
// is content in a -wal beside it, or a transaction to roll back in a -journal.
func unfinished(path string) bool {
	return length(path+"-wal") > 0 || length(path+"-journal") > 0
}

// length is that of a file, 0 if it is not there.
func length(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// isWritable reports whether this process may write to the file and make others
// beside it.
func isWritable(path string) bool {
	return access(path) == nil && access(filepath.Dir(path)) == nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
