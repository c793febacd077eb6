package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"modernc.org/sqlite"

	"gapless/internal/pause"
	"gapless/schema"
)

// openCopy gives a reader of a private copy of the file that is brought up to
// date.
func (r *Reader) openCopy(ctx context.Context, known schema.Migrations) (*Reader, error) {
	return openPrivate(ctx, r.path, known, func(to string) error { return r.Copy(ctx, to, nil) })
}

// openCopyOfFiles does so where SQLite can't read the file, because a process
// died while it wrote and nothing can be made beside the file: it copies the
// files as they are, which SQLite then finishes.
func openCopyOfFiles(ctx context.Context, path string, known schema.Migrations) (*Reader, error) {
	return openPrivate(ctx, path, known, func(to string) error {
		before := stamps(path)
		for _, suffix := range besides {
			if err := copyFile(ctx, path+suffix, to+suffix); err != nil {
				return err
			}
		}
		if stamps(path) != before {
			return errors.New("it is being written to, and can't be read meanwhile from a folder that can't be written")
		}
		return nil
	})
}

// openPrivate makes a private copy, brings it up to date and opens it. Closing
// the reader removes it.
func openPrivate(ctx context.Context, path string, known schema.Migrations, fill func(to string) error) (*Reader, error) {
	folder, err := os.MkdirTemp("", "gapless-")
	if err == nil {
		folder, err = filepath.Abs(folder)
	}
	if err != nil {
		return nil, err
	}
	private := filepath.Join(folder, "copy.db")
	if err = fill(private); err != nil {
		err = fmt.Errorf("to read it, a copy of %d bytes in %s is needed: %w", length(path), filepath.Dir(folder), err)
	} else {
		err = settle(ctx, private, known.Migrate)
	}
	var r *Reader
	if err == nil {
		r, err = openReader(ctx, private, "ro")
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	r.path, r.opened = path, nil // nobody else has the copy
	r.closed = func() error { return os.RemoveAll(folder) }
	return r, nil
}

// Copy writes the file, as it is at one moment, to a new file in
// rollback-journal mode, which is all in itself. progress, if set, is told of
// pages. It holds one snapshot, for as long as it takes to copy the bytes: the
// writer goes on meanwhile, but its -wal grows. The copy is synced.
//
// Smaller steps with a snapshot each would begin anew with each commit of the
// writer (https://sqlite.org/c3ref/backup_finish.html), and VACUUM INTO takes
// its time with one snapshot to write the same again.
func (r *Reader) Copy(ctx context.Context, to string, progress func(done, total int)) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	conn, err := r.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`) }() // nothing was written
	var objects int
	if err := conn.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema`).Scan(&objects); err != nil {
		return err
	}
	if err := conn.Raw(func(c any) error { return backUp(ctx, c, to, progress) }); err != nil {
		return fmt.Errorf("copy to %s: %w", to, explain(err))
	}
	return settle(ctx, to, nil)
}

// pagesAtOnce is how many pages are copied before ctx is looked at.
const pagesAtOnce = 1024

// backUp copies the pages that a connection sees (https://sqlite.org/backup.html).
func backUp(ctx context.Context, conn any, to string, progress func(done, total int)) error {
	b, err := conn.(interface {
		NewBackup(uri string) (*sqlite.Backup, error)
	}).NewBackup(dsn(to, "new", "synchronous(0)", "journal_mode(OFF)")) // it is synced at the end, or thrown away
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = b.Step(pagesAtOnce)
		if progress != nil {
			progress(b.PageCount()-b.Remaining(), b.PageCount())
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return errors.Join(err, b.Finish())
}

// settle finishes a copy that nobody else has: what is in files beside it is
// taken in, change is made, and it is left in rollback-journal mode and synced.
func settle(ctx context.Context, path string, change func(context.Context, *sql.Conn) error) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "rw", "synchronous(0)", "ignore_check_constraints(1)")) // what is wrong in it is for others to say
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, db.Close()); err == nil {
			err = syncFile(path)
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if change != nil {
		if err := change(ctx, conn); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, `PRAGMA journal_mode = DELETE`)
	return err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SyncFolder makes a name in a folder durable. Some systems can't, and need not.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = f.Sync()
	return f.Close()
}

// besides are the endings of a file and of those that may be beside it.
var besides = [3]string{"", "-wal", "-journal"}

// A stamp tells whether a file was written to.
type stamp struct{ size, modified int64 }

func stamps(path string) (all [len(besides)]stamp) {
	for i, suffix := range besides {
		if info, err := os.Stat(path + suffix); err == nil {
			all[i] = stamp{info.Size(), info.ModTime().UnixNano()}
		}
	}
	return all
}

// copyFile copies a file if it is there, until ctx ends. No other connection of this process may
// have locks on it: closing the file gives them up.
func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, pause.Reader{Context: ctx, From: in})
	return errors.Join(err, out.Close())
}
