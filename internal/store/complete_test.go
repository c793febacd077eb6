package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// The checks that were not made are made later, and no others change.
func TestComplete(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 9), missing(10, 10), stored(t, 11, 13))
	var incomplete []uint64
	check := func() store.Checked {
		incomplete = nil
		done, err := store.Checker{
			Fault:      func(f store.Fault) { t.Error(f) },
			Incomplete: func(n uint64) { incomplete = append(incomplete, n) },
		}.Check(t.Context(), s.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if done := check(); done.Incomplete != 13 {
		t.Errorf("%d blocks are incomplete", done.Incomplete)
	}
	if diff := cmp.Diff([]uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13}, incomplete); diff != "" {
		t.Errorf("incomplete (-want +got):\n%s", diff)
	}
	n, err := s.Complete(t.Context(), []uint64{3, 4, 10, 13, 99})
	if n != 3 || err != nil {
		t.Errorf("completed %d: %v", n, err)
	}
	for number, want := range map[uint64]chain.Check{2: chain.QuickChecks, 3: chain.AllChecks, 13: chain.AllChecks} {
		b, err := s.Block(t.Context(), number)
		if err != nil || b.Verdict.Passed != want || !b.Verdict.Verified() {
			t.Errorf("block %d: %+v, %v", number, b.Verdict, err)
		}
	}
	if n, err := s.Complete(t.Context(), incomplete); n != 10 || err != nil {
		t.Errorf("completed %d: %v", n, err)
	}
	if n, err := s.Complete(t.Context(), incomplete); n != 0 || err != nil {
		t.Errorf("completed %d again: %v", n, err)
	}
	if done := check(); done.Incomplete != 0 {
		t.Errorf("%d blocks are incomplete", done.Incomplete)
	}
}

// A block that fails a check is none to complete: its verdict would be wrong.
func TestCompleteWrong(t *testing.T) {
	s, err := store.Open(t.Context(), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() // and not the checker: the file is wrong
	prepare(t, s, 0, stored(t, 0, 40))
	tamper(t, s, `UPDATE transactions SET from_address = zeroblob(20)`)
	n, err := s.Complete(t.Context(), []uint64{40})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Block(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Transactions) == 0 {
		t.Fatal("no transaction in block 40")
	}
	if n != 0 || b.Verdict.Passed != chain.QuickChecks {
		t.Errorf("completed %d: %+v", n, b.Verdict)
	}
}
