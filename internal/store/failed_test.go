package store_test

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/store"
)

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }

func TestFailed(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 6))
	first := store.Failed{Number: 4, Class: chain.BlockError, Message: "no block 4", RetryCount: 3,
		FirstFailedAt: noon.Add(3 * time.Second), LastFailedAt: noon.Add(3 * time.Second), NextRetryAt: noon.Add(19 * time.Second)}
	wantFailed(t, s, first)

	if err := s.RetryFailed(t.Context(), failure(4, 5)); err != nil {
		t.Fatal(err)
	}
	again := first
	again.RetryCount, again.LastFailedAt, again.NextRetryAt = 5, noon.Add(5*time.Second), noon.Add(21*time.Second)
	wantFailed(t, s, again)

	if err := s.Skip(t.Context(), 4, "lost for good"); err != nil {
		t.Fatal(err)
	}
	skipped := again
	skipped.NextRetryAt, skipped.SkipReason = time.Time{}, "lost for good"
	wantFailed(t, s, skipped)
	wants(t, s.RetryFailed(t.Context(), failure(4, 6)), store.ErrObsolete)
	wantFailed(t, s, skipped)

	if n, err := s.RetryNow(t.Context(), 4, 4); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	got, err := s.Failed(t.Context(), 4)
	if err != nil || got.Skipped() || got.SkipReason != "" || got.NextRetryAt.IsZero() || got.RetryCount != 5 {
		t.Errorf("after RetryNow: %+v, %v", got, err)
	}
	wants(t, s.RetryFailed(t.Context(), failure(4, 6)), nil)
}

// wantFailed compares a row. When it was skipped is known to the clock alone.
func wantFailed(t *testing.T, s *store.Store, want store.Failed) {
	t.Helper()
	got, err := s.Failed(t.Context(), want.Number)
	if err != nil {
		t.Fatal(err)
	}
	if got.Skipped() != (want.SkipReason != "") {
		t.Errorf("skipped at %s", got.SkippedAt)
	}
	got.SkippedAt = time.Time{}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Errorf("row of block %d (-want +got):\n%s", want.Number, diff)
	}
}

func TestFailedThatIsNotMissing(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 4))
	before := contents(t, s.Path())
	for _, number := range []uint64{3, 5, math.MaxUint64} {
		wants(t, s.RetryFailed(t.Context(), failure(number, 4)), store.ErrObsolete)
		wants(t, s.Skip(t.Context(), number, "why"), store.ErrNotFound)
		_, err := s.Failed(t.Context(), number)
		wants(t, err, store.ErrNotFound)
		if n, err := s.RetryNow(t.Context(), number, number); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	unchanged(t, s.Path(), before)
}

func TestRetryNow(t *testing.T) {
	for _, tt := range []struct {
		first, last uint64
		want        int64
	}{{4, 4, 1}, {0, 5, 2}, {6, math.MaxUint64, 2}, {0, math.MaxUint64, 4}, {8, 100, 0}, {7, 4, 0}} {
		s := newStore(t, 0, stored(t, 0, 3), missing(4, 7))
		wants(t, s.Skip(t.Context(), 5, "why"), nil)
		if n, err := s.RetryNow(t.Context(), tt.first, tt.last); n != tt.want || err != nil {
			t.Errorf("RetryNow(%d, %d) is %d, %v, want %d", tt.first, tt.last, n, err, tt.want)
		}
	}
}

func TestFailedFromAndEachDue(t *testing.T) {
	s := newStore(t, 0, slices.Concat(missing(0, 1), stored(t, 2, 3), missing(4, 7)))
	wants(t, s.Skip(t.Context(), 5, "why"), nil)

	var numbers []uint64
	rows, err := s.FailedFrom(t.Context(), 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		numbers = append(numbers, f.Number)
	}
	if want := []uint64{1, 4, 5}; !slices.Equal(numbers, want) {
		t.Errorf("FailedFrom(1, 3) is of %d, want %d", numbers, want)
	}

	var got []store.Due
	if err := s.EachDue(t.Context(), func(d store.Due) { got = append(got, d) }); err != nil {
		t.Fatal(err)
	}
	var want []store.Due
	for _, n := range []uint64{0, 1, 4, 5, 6, 7} {
		d := store.Due{Number: n, Class: chain.BlockError, RetryCount: 3, FirstFailedAt: noon.Add(3 * time.Second), NextRetryAt: noon.Add(19 * time.Second)}
		if n == 5 {
			d.NextRetryAt = time.Time{}
		}
		want = append(want, d)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("EachDue (-want +got):\n%s", diff)
	}
}

// A time before 1970 is a time, not a skip.
func TestDueLongAgo(t *testing.T) {
	f := failure(0, 1)
	f.NextAt = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newStore(t, 0, []store.Entry{{Failure: f}})
	err := s.EachDue(t.Context(), func(d store.Due) {
		if !d.NextRetryAt.Equal(f.NextAt) {
			t.Errorf("due at %s, want %s", d.NextRetryAt, f.NextAt)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
