package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

func TestRotate(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 5), missing(6, 6))
	before, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rewinds := s.Rewinds()
	aside, err := s.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(aside, "-"+before.Genesis.Hex()[2:10]) {
		t.Errorf("put aside as %s", aside)
	}
	checkIndex(t, aside)
	old, err := store.OpenReader(t.Context(), aside)
	if err != nil {
		t.Fatal(err)
	}
	if next, err := old.Next(t.Context()); next != 7 || err != nil {
		t.Errorf("the old file ends with %d, %v", next, err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}

	_, err = s.Identity(t.Context())
	wants(t, err, store.ErrNoChain)
	if err := s.Identify(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	after, err := s.Identity(t.Context())
	if err != nil || after.Epoch == before.Epoch {
		t.Errorf("the new file has epoch %x, as the old: %v", after.Epoch, err)
	}
	rows, err := s.JournalAfter(t.Context(), 0, 10)
	if err != nil || len(rows) != 1 || rows[0].Kind != "reset" || !strings.Contains(rows[0].Detail, filepath.Base(aside)) {
		t.Errorf("journal %+v, %v", rows, err)
	}
	wants(t, s.Commit(t.Context(), stored(t, 0, 3)), nil)
	_, err = s.Fill(t.Context(), block(t, 6), rewinds)
	wants(t, err, store.ErrObsolete) // fetched for the file before
}

// Of the files put aside the newest three stay, and the one with the most blocks.
func TestRotateKeeps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		blocks []uint64 // in each file
		kept   []int
	}{
		{"few", []uint64{5, 1}, []int{0, 1}},
		{"the newest three, which have the most", []uint64{1, 2, 3, 4, 9}, []int{2, 3, 4}},
		{"the oldest too, which has the most", []uint64{9, 0, 2, 0, 1, 3, 0}, []int{0, 4, 5, 6}},
		{"the newer one of two as large", []uint64{9, 9, 1, 1, 1}, []int{1, 2, 3, 4}},
		{"empty ones", []uint64{0, 0, 0, 0, 0}, []int{2, 3, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, 0)
			id, err := s.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mine := filepath.Join(filepath.Dir(s.Path()), "gapless-of-mine.db")
			if err := os.WriteFile(mine, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			var all, want []string
			for _, blocks := range tt.blocks {
				if blocks > 0 {
					wants(t, s.Commit(t.Context(), stored(t, 0, blocks-1)), nil)
				}
				aside, err := s.Rotate(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, aside)
				if err := s.Identify(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			for _, i := range tt.kept {
				want = append(want, all[i])
			}
			left, err := filepath.Glob(strings.TrimSuffix(s.Path(), ".db") + "-2*")
			if diff := cmp.Diff(want, left); diff != "" || err != nil {
				t.Errorf("%v, kept (-want +got):\n%s", err, diff)
			}
			if _, err := os.Stat(mine); err != nil {
				t.Error("removed a file of somebody else's")
			}
		})
	}
}

// Those who read and write meanwhile meet the old file or the new one.
func TestRotateAmongReaders(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 5))
	id, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				_, err := s.Block(context.WithoutCancel(ctx), 3)
				if err != nil && !errors.Is(err, store.ErrNotFound) && !strings.Contains(err.Error(), "closed") {
					t.Error(err)
				}
				_, err = s.Next(context.WithoutCancel(ctx))
				if err != nil && !errors.Is(err, store.ErrNoChain) && !strings.Contains(err.Error(), "closed") {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		if _, err := s.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Identify(t.Context(), id); err != nil {
			t.Error(err)
		}
		if err := s.Commit(t.Context(), stored(t, 0, 5)); err != nil {
			t.Error(err)
		}
	}
	cancel()
	readers.Wait()
}

// A reader of another program's that is connected meanwhile leaves no -wal
// behind, and one in a transaction loses nothing.
func TestRotateUnderAForeignReader(t *testing.T) {
	for _, inTransaction := range []bool{false, true} {
		s := newStore(t, 0, stored(t, 0, 5))
		db, err := sql.Open("sqlite", "file:"+s.Path()+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if inTransaction {
			if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
				t.Fatal(err)
			}
		}
		var blocks int
		count := func() {
			t.Helper()
			if err := conn.QueryRowContext(t.Context(), "SELECT count(*) FROM blocks").Scan(&blocks); err != nil || blocks != 6 {
				t.Errorf("reads %d blocks, %v", blocks, err)
			}
		}
		count()
		if err := s.Commit(t.Context(), stored(t, 6, 9)); err != nil {
			t.Fatal(err)
		}
		aside, err := s.Rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(aside + "-wal"); (err == nil) != inTransaction {
			t.Errorf("the -wal of the old file: %v", err)
		}
		if inTransaction {
			count()
		}
		r, err := store.OpenReader(t.Context(), aside)
		if err != nil {
			t.Fatal(err)
		}
		if next, err := r.Next(t.Context()); next != 10 || err != nil {
			t.Errorf("the old file ends with %d, %v", next, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What can't be put aside is gone on with.
func TestRotateThatCannotRename(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 230)+".db") // with the time the name is too long
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	wants(t, s.Identify(t.Context(), store.Identity{ChainID: 1, Genesis: block(t, 0).Hash}), nil)
	wants(t, s.Commit(t.Context(), stored(t, 0, 2)), nil)
	if _, err := s.Rotate(t.Context()); err == nil {
		t.Error("rotated to a name that is too long")
	}
	wants(t, s.Commit(t.Context(), stored(t, 3, 3)), nil)
	if next, err := s.Next(t.Context()); next != 4 || err != nil {
		t.Errorf("next is %d, %v", next, err)
	}
}
