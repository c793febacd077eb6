package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"gapless/internal/store"
)

// openFile opens a file that must be there, for reading. If it is of an older
// schema, that takes a copy.
func openFile(ctx context.Context, db string) (*store.Reader, error) {
	return openWith(ctx, db, store.OpenReader)
}

// glanceAt opens it for a glance, and makes no copy.
func glanceAt(ctx context.Context, db string) (*store.Reader, error) {
	return openWith(ctx, db, store.OpenInPlace)
}

func openWith(ctx context.Context, db string, open func(context.Context, string) (*store.Reader, error)) (*store.Reader, error) {
	if err := store.OwnWAL(db); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(err)
	}
	r, err := open(ctx, db)
	if errors.Is(err, fs.ErrNotExist) {
		path, _ := filepath.Abs(db) // was good enough to look
		return nil, fmt.Errorf("there is no file %s; name another with --db, or make it with gapless run", path)
	}
	return r, withHint(err)
}

// withHint adds to an error of the file what can be done.
func withHint(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w\nmount its file system so that it can be written, after a look at `dmesg`, or name another file with --db", err)
	case errors.Is(err, store.ErrUnwritable):
		return fmt.Errorf("%w\ngive yourself the right to write it, or name another file with --db; gapless keeps FILE-wal, FILE-shm and FILE.lock beside FILE", err)
	case errors.Is(err, store.ErrStray):
		return fmt.Errorf("%w\na backup was copied over the file: move that -wal away, it has what the file before had written last; `gapless restore` does all that by itself", err)
	case errors.Is(err, store.ErrForeign):
		return fmt.Errorf("%w\nname another file with --db", err)
	case errors.Is(err, store.ErrAltered):
		return fmt.Errorf("%w\nif you trust the file, take that out of it with sqlite3; else use another with --db", err)
	case errors.Is(err, store.ErrLinked):
		return fmt.Errorf("%w\nmake a copy of its own (cp FILE COPY, or gapless backup), or delete the other names", err)
	case errors.Is(err, store.ErrNewer):
		return fmt.Errorf("%w\nget a newer gapless, or name another file with --db", err)
	}
	return err
}
