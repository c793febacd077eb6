package store_test

import (
	"fmt"
	"testing"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

// What is told of a file's growth is what it then grows by, also when it is young
// and the first page of each of its tables is nearly all of it.
func TestGrowth(t *testing.T) {
	const interval = 12 * time.Second
	for _, tt := range []struct {
		name      string
		spec      devchain.Spec
		at        uint64  // block at which it is told
		tolerance float64 // factor
	}{
		{"blocks that are the same", devchain.Spec{Blocks: 2000, Transactions: 2, Logs: 1}, 1000, 1.15},
		{"a young file", devchain.Spec{Blocks: 2000, Transactions: 2, Logs: 1}, 310, 1.25},
		{"a young file of empty blocks", devchain.Spec{Blocks: 2000}, 310, 1.35},
		{"blocks that get larger", heavyFrom(501, 3000), 1600, 1.3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := devchain.Build(tt.spec)
			s := emptyStore(t, newPath(t), c)
			closeAndCheck(t, s)
			commitTo(t, s, c, tt.at)
			g, err := s.Growth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			before := pagesOf(t, s)
			commitTo(t, s, c, uint64(tt.spec.Blocks))
			want := float64(pagesOf(t, s) - before)
			got := float64(g.In(interval * time.Duration(uint64(tt.spec.Blocks)-tt.at)))
			if got > want*tt.tolerance || got < want/tt.tolerance {
				t.Errorf("it was to grow by %.0f bytes, and grew by %.0f\n%+v", got, want, g)
			}
		})
	}
	for at, interval := range map[uint64]int64{1: 0, 42: 1, 299: 12, 999: 0, 1000: -1} { // of less than an hour, and of blocks in a burst
		t.Run(fmt.Sprintf("%d blocks every %d s", at, interval), func(t *testing.T) {
			c := devchain.Build(devchain.Spec{Blocks: 1000})
			s := emptyStore(t, newPath(t), c)
			defer s.Close()
			commitTo(t, s, c, at)
			query := fmt.Sprintf(`UPDATE blocks SET timestamp = 1700000000 + number * %d`, interval)
			if interval < 0 {
				query = `UPDATE blocks SET timestamp = 1700000000 + number + iif(number > 10, 1000000, 0)`
			}
			if _, err := s.Writer().ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
			if g, err := s.Growth(t.Context()); err != nil || g.Steady() {
				t.Errorf("%+v, %v", g, err)
			}
		})
	}
	t.Run("one block", func(t *testing.T) {
		c := devchain.Build(devchain.Spec{})
		s := emptyStore(t, newPath(t), c)
		closeAndCheck(t, s)
		commitTo(t, s, c, 0)
		if g, err := s.Growth(t.Context()); err != nil || g.In(time.Hour) != 0 {
			t.Errorf("%+v, %v", g, err)
		}
	})
	t.Run("a genesis of 1970", func(t *testing.T) { // as that of geth --dev
		c := devchain.Build(devchain.Spec{Blocks: 20, Transactions: 2, Logs: 1})
		s := emptyStore(t, newPath(t), c)
		defer s.Close()
		commitTo(t, s, c, 20)
		if _, err := s.Writer().ExecContext(t.Context(), `UPDATE blocks SET timestamp = 0 WHERE number = 0`); err != nil {
			t.Fatal(err)
		}
		if g, err := s.Growth(t.Context()); err != nil || g.Took != 19*12*time.Second {
			t.Errorf("%+v, %v", g, err)
		}
	})
	t.Run("all are missing", func(t *testing.T) {
		s := newStore(t, 901, missing(901, 910))
		if g, err := s.Growth(t.Context()); err != nil || g != (store.Growth{}) {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

// pagesOf is how many bytes of pages a file has, wherever they are.
func pagesOf(t *testing.T, s *store.Store) (bytes int64) {
	t.Helper()
	row := s.Writer().QueryRowContext(t.Context(), `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
	if err := row.Scan(&bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// heavyFrom is a chain whose blocks have more in them from a number on.
func heavyFrom(from uint64, blocks int) devchain.Spec {
	spec := devchain.Spec{Blocks: blocks}
	spec.Large.From, spec.Large.Transactions, spec.Large.Logs = from, 10, 1
	return spec
}
