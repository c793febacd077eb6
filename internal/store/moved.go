package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modernc.org/sqlite"
)

// ErrMoved: the file that is open is not the one that its name shows any more.
// [Store.Rescue] writes what it holds to another.
var ErrMoved = errors.New("the file was taken away while it was open")

// A place is what a name showed when the file was opened.
type place struct {
	path string
	file os.FileInfo // nil if it is not known yet
	full bool        // it never becomes empty
}

// check fails with [ErrMoved] if the name shows something else now, or nothing.
func (p *place) check() error {
	now, err := os.Stat(p.path)
	switch {
	case p.file == nil && err == nil:
		p.file = now
	case p.file == nil:
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is not there any more", ErrMoved, p.path)
	case err != nil:
		return err
	case !os.SameFile(p.file, now):
		return fmt.Errorf("%w: another file is at %s now", ErrMoved, p.path)
	case p.full && p.file.Size() > 0 && now.Size() == 0:
		return fmt.Errorf("%w: nothing is in %s any more", ErrMoved, p.path)
	}
	return nil
}

// stay remembers where the file is, and what SQLite keeps beside it.
func (w *writer) stay(path string) {
	w.places = []place{{path: path, full: true}, {path: path + "-wal"}, {path: path + "-shm"}}
}

// unmoved fails with [ErrMoved] if the file, or what SQLite keeps beside it, is not
// what is open. From then on, what lies there under SQLite's names is left alone.
func (w *writer) unmoved() error {
	for i := range w.places {
		if err := w.places[i].check(); err != nil {
			return errors.Join(err, w.conn.Raw(func(c any) error {
				_, err := c.(sqlite.FileControl).FileControlPersistWAL("main", 1) // else closing deletes by name
				return err
			}))
		}
	}
	return nil
}

// Unmoved fails with [ErrMoved] if the file is not what its name shows any more.
func (s *Store) Unmoved(ctx context.Context) error {
	return s.ask(ctx, request{done: make(chan error, 1), between: true, fn: (*writer).unmoved})
}

// Rescue writes what the open file holds to a new one beside it, FILE.rescued or the
// next free name, which it returns.
func (s *Store) Rescue(ctx context.Context) (to string, err error) {
	err = s.ask(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) error {
		to = s.path + ".rescued"
		for i := 2; exists(to); i++ {
			to = fmt.Sprintf("%s.rescued-%d", s.path, i)
		}
		if _, err := w.conn.ExecContext(context.WithoutCancel(ctx), `VACUUM INTO ?`, to); err != nil {
			return errors.Join(err, os.RemoveAll(to)) // it was not there before
		}
		return syncFile(to)
	}})
	return to, err
}
