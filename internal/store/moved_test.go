package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"gapless/internal/store"
)

// A file that is taken away, or has another in its place, is noticed before the
// next commit; what it held is rescued, and what lies there is left alone.
func TestMoved(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"", "-wal", "-shm"} {
		for _, replaced := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "a.db")
			s, err := store.Open(t.Context(), path)
			wants(t, err, nil)
			prepare(t, s, 0, stored(t, 0, 20))
			wants(t, s.Unmoved(t.Context()), nil)
			wants(t, os.Remove(path+ending), nil)
			if replaced {
				wants(t, os.WriteFile(path+ending, []byte("somebody's"), 0o600), nil)
			}
			wants(t, s.Unmoved(t.Context()), store.ErrMoved)
			wants(t, s.Commit(t.Context(), stored(t, 21, 30)), store.ErrMoved)
			for _, want := range []string{path + ".rescued", path + ".rescued-2"} {
				to, err := s.Rescue(t.Context())
				wants(t, err, nil)
				if to != want {
					t.Errorf("%s, want %s", to, want)
				}
			}
			_ = s.Close() // it may say that the file is not there
			checkIndex(t, path+".rescued")
			if content, _ := os.ReadFile(path + ending); replaced && string(content) != "somebody's" {
				t.Errorf("%s: what lies there was changed", ending)
			}
		}
	}
}
