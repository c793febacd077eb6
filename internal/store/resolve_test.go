package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"gapless/internal/store"
)

// A file has one writer, by whatever links it is named, also before it is there.
func TestLinkedFileIsLocked(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.db")
	for from, to := range map[string]string{"link.db": "a.db", "links.db": filepath.Join(folder, "link.db"), "here": "."} {
		if err := os.Symlink(to, filepath.Join(folder, from)); err != nil {
			t.Skipf("no links can be made: %v", err)
		}
	}
	names := []string{"link.db", "links.db", "here/link.db", "here/here/links.db", "a.db"}
	for _, first := range names {
		s, err := store.Open(t.Context(), filepath.Join(folder, first))
		wants(t, err, nil)
		if s.Path() != path {
			t.Errorf("%s is %s", first, s.Path())
		}
		for _, second := range names {
			_, err := store.Open(t.Context(), filepath.Join(folder, second))
			wants(t, err, store.ErrLocked)
		}
		wants(t, s.Close(), nil)
	}
}

// A file with a second name is not written to. It is read if it is whole: SQLite
// would not find a -wal that lies beside the other name.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	prepare(t, s, 0, stored(t, 0, 3))
	other := filepath.Join(t.TempDir(), "other.db")
	if err := os.Link(path, other); err != nil {
		t.Skipf("no hard links can be made: %v", err)
	}
	_, err = store.OpenReader(t.Context(), path)
	wants(t, err, store.ErrLinked)
	wants(t, s.Close(), nil)
	for _, name := range []string{path, other} {
		_, err = store.Open(t.Context(), name)
		wants(t, err, store.ErrLinked)
		_, err = store.NeedsUpgrade(t.Context(), name)
		wants(t, err, store.ErrLinked)
		r, err := store.OpenReader(t.Context(), name)
		wants(t, err, nil)
		wants(t, r.Close(), nil)
	}
	wants(t, os.Remove(other), nil)
	s, err = store.Open(t.Context(), path)
	wants(t, err, nil)
	wants(t, s.Close(), nil)
}
