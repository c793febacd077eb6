package store_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

// Blocks gives what Block does, leaves out what is missing, and says where to
// go on.
func TestBlocks(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 9), missing(10, 11), stored(t, 12, 99), missing(100, 100))
	for _, tt := range []struct{ first, last, next uint64 }{
		{0, 9, 10}, {5, 5, 6}, {9, 12, 13}, {10, 11, 12}, {10, 200, 74}, {90, 200, 154}, {0, math.MaxInt64, 64},
	} {
		blocks, next, err := s.Blocks(t.Context(), tt.first, tt.last)
		if err != nil || next != tt.next {
			t.Errorf("%d to %d: next %d, want %d, %v", tt.first, tt.last, next, tt.next, err)
		}
		var got, want []uint64
		for _, b := range blocks {
			got = append(got, b.Number)
		}
		for n := tt.first; n < next; n++ {
			b, err := s.Block(t.Context(), n)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			want = append(want, n)
			if diff := cmp.Diff(string(b.AppendBlock(nil, true)), string(blocks[len(want)-1].AppendBlock(nil, true))); diff != "" {
				t.Errorf("block %d (-Block +Blocks):\n%s", n, diff)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d to %d (-want +got):\n%s", tt.first, tt.last, diff)
		}
	}
}

// One call ends before there are too many rows, but not before the first block.
func TestBlocksEndsInTime(t *testing.T) {
	path := newPath(t)
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	prepare(t, s, 0, stored(t, 0, 50))
	tamper(t, s, `UPDATE blocks SET log_count = 30000 WHERE number = 3`,
		`UPDATE blocks SET transaction_count = 9000 WHERE number BETWEEN 10 AND 15`,
		`UPDATE blocks SET size = 40000000 WHERE number BETWEEN 20 AND 21`,
		`UPDATE blocks SET gas_used = 800000000 WHERE number = 23`, // 100 MB of logs
		`UPDATE blocks SET size = 9223372036854775807 WHERE number BETWEEN 40 AND 42`)
	var ends []uint64
	for first := uint64(0); first <= 50; {
		if first, err = s.RangeEnd(t.Context(), first, 50); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, first)
	}
	if diff := cmp.Diff([]uint64{3, 4, 12, 14, 21, 23, 24, 40, 41, 42, 43, 51}, ends); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, _, err = s.Blocks(t.Context(), 0, 2)
	if err != nil {
		t.Error(err)
	}
	_, _, err = s.Blocks(t.Context(), 3, 3)
	if fault, ok := errors.AsType[*store.FaultError](err); !ok || fault.Number != 3 || !strings.Contains(fault.What, "logs") {
		t.Errorf("error %v", err)
	}
}

func TestRewound(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 20))
	seq, err := s.JournalEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rewound := func(want uint64) {
		t.Helper()
		if got, err := s.Rewound(t.Context(), seq); err != nil || got != want {
			t.Errorf("lowest %d, want %d, %v", got, want, err)
		}
	}
	rewound(math.MaxInt64)
	for _, ancestor := range []uint64{15, 12} {
		if err := s.Rewind(t.Context(), store.Reorg{Ancestor: ancestor}, nil); err != nil {
			t.Fatal(err)
		}
		rewound(ancestor + 1)
	}
	if err := s.Commit(t.Context(), stored(t, 13, 20)); err != nil {
		t.Fatal(err)
	}
	if err := s.Rewind(t.Context(), store.Reorg{Ancestor: 18}, nil); err != nil {
		t.Fatal(err)
	}
	rewound(13)
	if seq, err = s.JournalEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
	rewound(math.MaxInt64)
}
