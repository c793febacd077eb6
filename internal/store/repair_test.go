package store_test

import (
	"database/sql"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/store"
)

func TestHoles(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 5), stored(t, 6, 9))
	tamper(t, s, `DELETE FROM blocks WHERE number IN (1, 2, 7)`, `DELETE FROM failed_blocks WHERE block_number = 5`)
	var holes []uint64
	if err := s.Holes(t.Context(), func(n uint64) { holes = append(holes, n) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1, 2, 5, 7}, holes); diff != "" {
		t.Errorf("holes (-want +got):\n%s", diff)
	}
	for _, n := range holes {
		if _, err := s.Suspect(t.Context(), n, chain.Hole, "in no table"); err != nil {
			t.Error(err)
		}
	}
	holes = nil
	if err := s.Holes(t.Context(), func(n uint64) { holes = append(holes, n) }); err != nil || holes != nil {
		t.Error(holes, err)
	}
	for _, n := range []uint64{7, 5, 4, 2, 1} {
		wants(t, fill(t.Context(), s, block(t, n)), nil)
	}
}

func TestSuspect(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 5), missing(6, 6), stored(t, 7, 7))
	for _, n := range []uint64{3, 6} {
		f, err := s.Suspect(t.Context(), n, chain.Invalid, "found wrong")
		if err != nil || f.Number != n || f.NextAt.After(f.At) {
			t.Errorf("%+v, %v", f, err)
		}
		row, err := s.Failed(t.Context(), n)
		if err != nil || row.Class != chain.Invalid || row.Message != "found wrong" {
			t.Errorf("row %+v, %v", row, err)
		}
	}
	_, err := s.Suspect(t.Context(), 8, chain.Invalid, "above the head")
	wants(t, err, store.ErrNotFound)
	wants(t, fill(t.Context(), s, block(t, 3)), nil)
}

// tamper writes to the file as somebody else would.
func tamper(t *testing.T, s *store.Store, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
