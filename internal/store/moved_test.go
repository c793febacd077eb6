package store_test

import (
	"os"
	"testing"

	"gapless/internal/store"
	"gapless/internal/store/disktest"
)

// A file that is taken away, has another in its place or was cut off, is noticed
// before the next commit; what it held is rescued, and what lies there is left alone.
func TestMoved(t *testing.T) {
	t.Parallel()
	write := func(path string) error { return os.WriteFile(path, []byte("somebody's"), 0o600) }
	for _, tt := range []struct {
		name string
		take func(path string) error
		lost bool   // what the file held can't be read any more
		left string // what must be at the name in the end
	}{
		{name: "removed", take: os.Remove},
		{name: "renamed", take: func(path string) error { return os.Rename(path, path+".old") }},
		{name: "replaced", left: "somebody's", take: func(path string) error { return orFirst(os.Remove(path), write(path)) }},
		{name: "emptied", take: func(path string) error { return os.Truncate(path, 0) }, lost: true},
		{name: "cut off", take: func(path string) error { return os.Truncate(path, 5*8192) }, lost: true},
		{name: "written over", take: write, lost: true, left: "somebody's"},
	} {
		for _, ending := range []string{"", "-wal", "-shm"} {
			if ending == "-shm" && tt.lost {
				continue // SQLite has it in memory, and who does that to it takes the process down
			}
			t.Run(tt.name+ending, func(t *testing.T) {
				path := newPath(t)
				s, err := store.Open(t.Context(), path)
				wants(t, err, nil)
				prepare(t, s, 0, stored(t, 0, 20))
				if ending == "" {
					wants(t, s.DrainWAL(t.Context(), 0), nil) // all is in the file
				}
				wants(t, s.Unmoved(t.Context()), nil)
				wants(t, tt.take(path+ending), nil)
				wants(t, s.Commit(t.Context(), stored(t, 21, 30)), store.ErrMoved)
				wants(t, s.Unmoved(t.Context()), store.ErrMoved)
				wants(t, s.Moved(), store.ErrMoved)
				for _, want := range []string{path + ".rescued", path + ".rescued-2"} {
					to, err := s.Rescue(t.Context())
					if tt.lost && err != nil {
						wants(t, err, store.ErrCorrupt)
						continue
					}
					wants(t, err, nil)
					if to != want {
						t.Errorf("%s, want %s", to, want)
					}
					checkIndex(t, to)
				}
				if err := s.Close(); !tt.lost {
					wants(t, err, nil)
				}
				if content, _ := os.ReadFile(path + ending); tt.left != "" && string(content) != tt.left {
					t.Error("what lies there was changed")
				}
			})
		}
	}
}

// orFirst gives the first error of two.
func orFirst(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// What SQLite and others do to the files while they are open is no reason to stop.
func TestUnmoved(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0, stored(t, 0, 200))
	still := func() {
		t.Helper()
		wants(t, s.Unmoved(t.Context()), nil)
	}
	still()
	wants(t, s.DrainWAL(t.Context(), 0), nil)
	still()
	_, err := s.Prune(t.Context(), 150)
	wants(t, err, nil)
	still()
	other := openSQL(t, s.Path())
	defer other.Close()
	for _, query := range []string{`PRAGMA incremental_vacuum`, `PRAGMA wal_checkpoint(TRUNCATE)`, `VACUUM`, `PRAGMA wal_checkpoint(RESTART)`} {
		_, err := other.Exec(query)
		wants(t, err, nil)
		still()
	}
	wants(t, s.Commit(t.Context(), stored(t, 201, 210)), nil)
	still()
}

// Closing a file that was taken away rescues it, if nobody has.
func TestClosedMoved(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	prepare(t, s, 0, stored(t, 0, 20))
	wants(t, os.Rename(path, path+".old"), nil)
	wants(t, s.Close(), store.ErrMoved)
	checkIndex(t, path+".rescued")
}

// Without room, nothing is left of what was begun, and it can be tried again.
func TestNoRoomToRescue(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	prepare(t, s, 0, stored(t, 0, 20))
	wants(t, os.Remove(path), nil)
	disk, err := disktest.Watch(path+".rescued", func() {})
	wants(t, err, nil)
	defer disk.Close()
	disk.Full.Store(true)
	_, err = s.Rescue(t.Context())
	wants(t, err, store.ErrFull)
	if _, err := os.Stat(path + ".rescued"); err == nil {
		t.Error("something is left")
	}
	disk.Full.Store(false)
	_, err = s.Rescue(t.Context())
	wants(t, err, nil)
	wants(t, s.Close(), nil)
	checkIndex(t, path+".rescued")
}
