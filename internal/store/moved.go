package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrMoved: the file that is open is not the one that its name shows any more, or
// somebody has made it smaller. [Store.Rescue] writes what it holds to another.
var ErrMoved = errors.New("the file was taken away while it was open")

// A place is what a name showed when the file was opened.
type place struct {
	path  string
	file  os.FileInfo // nil if it was not there yet
	least int64       // bytes that it has, as SQLite alone makes it smaller
}

// stay remembers where the file is, and what SQLite keeps beside it.
func (w *writer) stay(path string) {
	w.moved.Store(nil)
	w.rescued = ""
	for i, ending := range [len(w.places)]string{"", "-wal", "-shm"} {
		w.places[i] = place{path: path + ending}
		_ = w.places[i].look() // nothing is known of it yet
	}
}

// look fails with [ErrMoved] if the name shows something else now, or nothing.
func (p *place) look() error {
	now, err := os.Stat(p.path)
	switch {
	case p.file == nil && err == nil:
		p.file = now
	case p.file == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is not there any more", ErrMoved, p.path)
	case err != nil:
		return err
	case !os.SameFile(p.file, now):
		return fmt.Errorf("%w: another file is at %s now", ErrMoved, p.path)
	case now.Size() < p.least:
		return fmt.Errorf("%w: %s has %d bytes, and had %d or more", ErrMoved, p.path, now.Size(), p.least)
	}
	p.least = now.Size()
	return nil
}

// unmoved fails with [ErrMoved] if the file, or what SQLite keeps beside it, is not
// what is open, and does so from then on. No transaction is open.
func (w *writer) unmoved() error {
	if moved := w.moved.Load(); moved != nil {
		return *moved
	}
	err := w.look()
	if errors.Is(err, ErrMoved) {
		err = w.look() // Litestream may have made the -wal smaller meanwhile
	}
	if errors.Is(err, ErrMoved) {
		w.moved.Store(&err)
	}
	return err
}

// look compares each place with what SQLite knows. Pages above those that the file had
// may be in its -wal alone, and when SQLite has made the file smaller, it has as many
// as SQLite counts. The -wal and the -shm become smaller in other ways too.
func (w *writer) look() error {
	var bytes int64
	if _, err := w.get(`SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`, nil, []any{&bytes}); err != nil {
		return err
	}
	used, err := w.usedWAL()
	if err != nil {
		return err
	}
	w.places[0].least = min(w.places[0].least, bytes)
	w.places[1].least = used
	w.places[2].least = 0
	for i := range w.places {
		if err := w.places[i].look(); err != nil {
			return err
		}
	}
	return nil
}

// Unmoved fails with [ErrMoved] if the file is not what its name shows any more.
func (s *Store) Unmoved(ctx context.Context) error {
	return s.ask(ctx, request{done: make(chan error, 1), between: true, fn: (*writer).unmoved})
}

// Moved gives the [ErrMoved] that was found, nil if none was. It does not wait for
// the writer.
func (s *Store) Moved() error {
	if moved := s.writer.moved.Load(); moved != nil {
		return *moved
	}
	return nil
}

// Names is how many names the file has: more than one if somebody made a hard link.
func (s *Store) Names() (uint64, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0, err
	}
	return nameCount(s.path, info), nil
}

// Rescue writes what the open file holds to a new one beside it, FILE.rescued or the
// next free name, which it returns. It fails with [ErrCorrupt] if that can't be read.
func (s *Store) Rescue(ctx context.Context) (to string, err error) {
	err = s.ask(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) error {
		to, err = w.rescue()
		return err
	}})
	return to, err
}

func (w *writer) rescue() (to string, err error) {
	file := w.places[0]
	if to, err = newFile(file.path+".rescued", file.file.Mode().Perm()); err != nil {
		return "", err
	}
	_, err = w.conn.ExecContext(context.Background(), `VACUUM INTO ?`, to) // what was taken is carried out
	if err == nil {
		err = errors.Join(syncFile(to), SyncFolder(filepath.Dir(to)))
	}
	if err != nil {
		_ = os.Remove(to + "-journal") // it need not be there
		return "", errors.Join(err, os.Remove(to))
	}
	w.rescued = to
	return to, nil
}

// newFile makes an empty file of a name, or of the next one that is free.
func newFile(name string, mode os.FileMode) (string, error) {
	for i := 1; ; i++ {
		path := name
		if i > 1 {
			path = fmt.Sprintf("%s-%d", name, i)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			return path, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

// end closes the file. One that was taken away is rescued and stays open until the
// process ends: SQLite would take the -wal into what is at its name, and delete files
// by name.
func (w *writer) end() error {
	err := w.unmoved()
	if !errors.Is(err, ErrMoved) {
		return w.close()
	}
	if w.rescued != "" {
		return nil // whoever did so says it
	}
	to, failed := w.rescue()
	if failed != nil {
		return fmt.Errorf("%w\nwhat it held could not be written to another file: %w", err, explain(failed))
	}
	return fmt.Errorf("%w\nall that it held is in %s now", err, to)
}
