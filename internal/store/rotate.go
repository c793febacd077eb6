package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Rotate puts the file aside under a name with the time and its genesis, and
// begins a new one in its place, which has no identity yet. The newest three
// files put aside are kept, and the one with the most blocks. It returns the path of the old file. Readers of
// this Store go on with the new one. It fails with [ErrReplicated] if Litestream
// replicates the file.
func (s *Store) Rotate(ctx context.Context) (string, error) {
	id, err := s.Identity(ctx)
	if err != nil {
		return "", fmt.Errorf("rotate: %w", err)
	}
	var aside string
	err = s.hand(ctx, request{done: make(chan error, 1), between: true, fn: func(w *writer) error {
		if err := w.unmoved(); err != nil {
			return err
		}
		if err := w.lookForLitestream(); err != nil || w.litestream {
			return errors.Join(err, ErrReplicated)
		}
		return s.db.swap(func() (db *sql.DB, err error) {
			aside, db, err = w.rotate(s.path, fmt.Sprintf("%x", id.Genesis[:4]))
			return db, err
		})
	}})
	if err != nil {
		return "", fmt.Errorf("rotate %s: %w", s.path, err)
	}
	return aside, pruneRotated(context.WithoutCancel(ctx), s.path)
}

// rotate closes the file, renames it and opens a new one. If it can't be
// renamed, the old one is opened again.
func (w *writer) rotate(path, mark string) (aside string, readers *sql.DB, err error) {
	ctx := context.Background() // what was taken is carried out
	// While a reader of somebody else's is connected, closing leaves the -wal. One
	// that can't be emptied goes along.
	_ = w.drain()
	if err := w.close(); err != nil {
		return "", nil, err
	}
	aside = asideName(path, mark)
	renamed := rename(path, aside)
	if renamed == nil {
		w.rotated = filepath.Base(aside)
		w.rewinds.Add(1)
	}
	if err := w.reopen(ctx, path, renamed == nil); err != nil {
		return "", nil, errors.Join(renamed, err)
	}
	readers, err = openPool(ctx, path, "ro")
	return aside, readers, errors.Join(renamed, err)
}

func (w *writer) reopen(ctx context.Context, path string, isNew bool) (err error) {
	if w.db, err = sql.Open("sqlite", dsn(path, "rwc", fmt.Sprintf("busy_timeout(%d)", busyWait))); err != nil {
		return err
	}
	w.statements, w.schema = make(map[string]*sql.Stmt), 0
	w.stay(path)
	return w.open(ctx, isNew)
}

// asideName is a name beside the file that nothing has.
func asideName(path, mark string) string {
	base, ext := splitExt(path)
	name := fmt.Sprintf("%s-%s-%s", base, time.Now().UTC().Format("20060102T150405.000"), mark)
	for i := 2; ; i++ {
		if _, err := os.Stat(name + ext); err != nil {
			return name + ext
		}
		name = fmt.Sprintf("%s-%d", name, i)
	}
}

func splitExt(path string) (base, ext string) {
	ext = filepath.Ext(path)
	return strings.TrimSuffix(path, ext), ext
}

// rename renames a file, which need not be there, with what SQLite keeps beside it:
// a -wal that a reader of somebody else's has kept from being taken in, and a -journal
// of a machine that died. A -shm is made anew. The file goes first, as without what is
// beside it it may be torn: nobody is to find it so at its name. If one can't be
// renamed, all stays as it was.
func rename(from, to string) error {
	moved := os.Rename(from, to)
	if moved != nil && !errors.Is(moved, fs.ErrNotExist) {
		return moved
	}
	for _, ending := range []string{"-journal", "-wal"} {
		if err := renameLog(from+ending, to+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			if moved == nil {
				err = errors.Join(err, os.Rename(to, from))
			}
			return err
		}
	}
	if err := os.Remove(from + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// renameLog renames a -journal or a -wal. An empty one is none.
func renameLog(from, to string) error {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return err
	case info.Size() == 0:
		return os.Remove(from)
	}
	return os.Rename(from, to)
}
