package store_test

import (
	"testing"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

func TestGrowth(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name        string
		spec        devchain.Spec
		least, most int64 // bytes a day of a file of 10,000,000
	}{
		{"one block", devchain.Spec{}, 0, 0},
		// 2,001 blocks of 12 seconds are 24,000 seconds
		{"blocks that are the same", devchain.Spec{Blocks: 2000, Transactions: 2, Logs: 1}, 35_600_000, 36_400_000},
		{"blocks that get larger", heavyFrom(1001, 2000), 60_000_000, 68_000_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := devchain.Build(tt.spec)
			s := emptyStore(t, newPath(t), c)
			closeAndCheck(t, s)
			commitTo(t, s, c, uint64(tt.spec.Blocks))
			g, err := s.Growth(t.Context(), 10_000_000)
			if got := g.In(day); err != nil || got < tt.least || got > tt.most {
				t.Errorf("%d bytes a day, %v; want from %d to %d\n%+v", got, err, tt.least, tt.most, g)
			}
		})
	}
	t.Run("a genesis of 1970", func(t *testing.T) { // as that of geth --dev
		c := devchain.Build(devchain.Spec{Blocks: 20, Transactions: 2, Logs: 1})
		s := emptyStore(t, newPath(t), c)
		defer s.Close()
		commitTo(t, s, c, 20)
		if _, err := s.Writer().ExecContext(t.Context(), `UPDATE blocks SET timestamp = 0 WHERE number = 0`); err != nil {
			t.Fatal(err)
		}
		if g, err := s.Growth(t.Context(), 1000); err != nil || g.Took != 19*12*time.Second {
			t.Errorf("%+v, %v", g, err)
		}
	})
	t.Run("all are missing", func(t *testing.T) {
		s := newStore(t, 901, missing(901, 910))
		if g, err := s.Growth(t.Context(), 1000); err != nil || g != (store.Growth{}) {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

// heavyFrom is a chain whose blocks have more in them from a number on.
func heavyFrom(from uint64, blocks int) devchain.Spec {
	spec := devchain.Spec{Blocks: blocks}
	spec.Large.From, spec.Large.Transactions, spec.Large.Logs = from, 10, 1
	return spec
}
