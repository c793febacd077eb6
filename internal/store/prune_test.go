package store_test

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node/devchain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// prune prunes as often as it takes.
func prune(t *testing.T, s *store.Store, below uint64) (calls int) {
	t.Helper()
	for {
		start, err := s.Prune(t.Context(), below)
		calls++
		if err != nil {
			t.Fatal(err)
		}
		if start >= below {
			return calls
		}
	}
}

func TestPrune(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries [][]store.Entry
		below   uint64
		start   uint64
		fails   bool
	}{
		{"nothing", [][]store.Entry{stored(t, 901, 905)}, 901, 901, false},
		{"what is below the start", [][]store.Entry{stored(t, 901, 905)}, 7, 901, false},
		{"stored blocks", [][]store.Entry{stored(t, 901, 905)}, 904, 904, false},
		{"all but the head", [][]store.Entry{stored(t, 901, 905)}, 905, 905, false},
		{"the head too", [][]store.Entry{stored(t, 901, 905)}, 906, 901, true},
		{"more than there is", [][]store.Entry{stored(t, 901, 905)}, 1 << 60, 901, true},
		{"missing blocks", [][]store.Entry{stored(t, 901, 902), missing(903, 904), stored(t, 905, 905)}, 905, 905, false},
		{"a part of a gap", [][]store.Entry{stored(t, 901, 902), missing(903, 904), stored(t, 905, 905)}, 904, 904, false},
		{"what is missing at the start", [][]store.Entry{missing(901, 902), stored(t, 903, 905)}, 903, 903, false},
		{"into what is missing at the head", [][]store.Entry{stored(t, 901, 902), missing(903, 905)}, 904, 901, true},
		{"where nothing is stored", [][]store.Entry{missing(901, 905)}, 903, 901, true},
		{"where there is nothing", nil, 905, 901, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, 901, tt.entries...)
			_, next, err := s.Bounds(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start, err := s.Prune(t.Context(), tt.below)
			if (err != nil) != tt.fails || start != tt.start {
				t.Errorf("start %d, %v; want %d, an error: %t", start, err, tt.start, tt.fails)
			}
			gotStart, gotNext, err := s.Bounds(t.Context())
			if err != nil || gotStart != tt.start || gotNext != next {
				t.Errorf("the file is from %d to before %d, %v; want %d, %d", gotStart, gotNext, err, tt.start, next)
			}
			if n, err := s.CountMissing(t.Context(), 0, tt.start-1); err != nil || n != 0 {
				t.Errorf("%d missing below the start, %v", n, err)
			}
		})
	}
}

func TestPruneWithoutIdentity(t *testing.T) {
	s, err := store.Open(t.Context(), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Prune(t.Context(), 7)
	wants(t, err, store.ErrNoChain)
}

// commitTo commits what the file does not have yet of a chain, up to a block.
func commitTo(t testing.TB, s *store.Store, c *recorded.Chain, last uint64) {
	t.Helper()
	next, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	for ; next <= last; next++ {
		entries = append(entries, store.Entry{Block: verified(t, c.Block(next))})
	}
	if err := s.Commit(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

// Large blocks go in several transactions, between which the file keeps its
// promises and others write.
func TestPruneInParts(t *testing.T) {
	c := devchain.Build(devchain.Spec{Blocks: 702, Transactions: 10, Logs: 1})
	s := emptyStore(t, newPath(t), c)
	closeAndCheck(t, s)
	commitTo(t, s, c, 699)
	start, err := s.Prune(t.Context(), 690)
	if err != nil || start < 100 || start >= 690 {
		t.Fatalf("the start block is %d, %v", start, err)
	}
	commitTo(t, s, c, 700)
	if n := prune(t, s, 690); n < 2 {
		t.Errorf("the rest took %d calls", n)
	}
	commitTo(t, s, c, 702)
}

// What came before goes on: missing blocks above the new start are filled, and
// reorgs are followed down to it.
func TestPruneAndGoOn(t *testing.T) {
	s := newStore(t, 901, stored(t, 901, 903), missing(904, 905), stored(t, 906, 908))
	prune(t, s, 903)
	wants(t, fill(t.Context(), s, block(t, 904)), nil)
	prune(t, s, 906)
	wants(t, fill(t.Context(), s, block(t, 905)), store.ErrObsolete)
	wants(t, s.RetryFailed(t.Context(), failure(905, 2)), store.ErrObsolete)
	wants(t, s.Rewind(t.Context(), store.Reorg{Ancestor: 906}, stored(t, 907, 909)), nil)
	if err := s.Rewind(t.Context(), store.Reorg{Ancestor: 904}, nil); err == nil {
		t.Error("the chain was rewound below the start block")
	}
	if _, err := s.Suspect(t.Context(), 905, "invalid", "below"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a block that was pruned is suspected: %v", err)
	}
	wants(t, s.Rewind(t.Context(), store.Reorg{Ancestor: 905}, stored(t, 906, 910)), nil)
}

// The journal has one row of what was pruned, and each change moves it to the
// end, where those who follow find it.
func TestPruneInTheJournal(t *testing.T) {
	s := newStore(t, 901, stored(t, 901, 905))
	told := func() (rows []store.JournalRow) {
		t.Helper()
		rows, err := s.JournalBefore(t.Context(), 1<<62, "pruned", 10)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := told(); len(rows) > 0 {
		t.Errorf("nothing was pruned, but %v", rows)
	}
	var seqs []int64
	for _, below := range []uint64{902, 902, 903, 905} {
		prune(t, s, below)
		rows := told()
		if len(rows) != 1 || rows[0].First != 901 || rows[0].Last != below-1 {
			t.Fatalf("pruned below %d, but %v", below, rows)
		}
		seqs = append(seqs, rows[0].Seq)
	}
	if diff := cmp.Diff([]int64{2, 2, 3, 4}, seqs); diff != "" {
		t.Errorf("sequence numbers (-want +got):\n%s", diff)
	}
}

func TestPrunable(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries [][]store.Entry
		final   *store.Tag
		want    uint64
	}{
		{"a short chain", [][]store.Entry{stored(t, 901, 905)}, nil, 901},
		{"nothing", nil, nil, 901},
		{"a long one", [][]store.Entry{stored(t, 901, 1300)}, nil, 1301 - store.LeastKept},
		{"a long one with a gap", [][]store.Entry{stored(t, 901, 1040), missing(1041, 1060), stored(t, 1061, 1300)}, nil, 1040},
		{"one that is missing", [][]store.Entry{missing(901, 1300)}, nil, 901},
		{"one that is final", [][]store.Entry{stored(t, 901, 905)}, &store.Tag{Number: 904}, 904},
		{"one that is final far below", [][]store.Entry{stored(t, 901, 1300)}, &store.Tag{Number: 950}, 950},
		{"one that is final below the start", [][]store.Entry{stored(t, 901, 905)}, &store.Tag{Number: 3}, 901},
		{"one that is final above the head", [][]store.Entry{stored(t, 901, 905)}, &store.Tag{Number: 2000}, 905},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, 901, tt.entries...)
			wants(t, s.SetFinality(t.Context(), tt.final, nil), nil)
			got, err := s.Prunable(t.Context())
			if err != nil || got != tt.want {
				t.Errorf("%d, %v; want %d", got, err, tt.want)
			}
		})
	}
}

// Space that much was pruned from is given back; a little is kept for what comes.
func TestShrink(t *testing.T) {
	c := devchain.Build(devchain.Spec{Blocks: 3000, Transactions: 10, Logs: 1})
	s := emptyStore(t, newPath(t), c)
	closeAndCheck(t, s)
	commitTo(t, s, c, 3000)
	size := func() int64 {
		t.Helper()
		wants(t, s.DrainWAL(t.Context(), 0), nil)
		info, err := os.Stat(s.Path())
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	full := size()
	prune(t, s, 300)
	wants(t, s.Shrink(t.Context()), nil)
	if now := size(); now != full {
		t.Errorf("%d bytes, before %d", now, full)
	}
	prune(t, s, 2500)
	wants(t, s.Shrink(t.Context()), nil)
	if now := size(); now > full/4 {
		t.Errorf("%d bytes are left of %d for a sixth of the blocks", now, full)
	}
}

// A file that is checked while it is pruned keeps its promises all the time.
func TestCheckWhilePruned(t *testing.T) {
	s := newStore(t, 901, stored(t, 901, 1000), missing(1001, 1003), stored(t, 1004, 1300))
	c := store.Checker{
		Fault: func(f store.Fault) { t.Errorf("fault: %s", f) },
		Progress: func(done, total uint64) {
			prune(t, s, 901+min(done+100, 390))
		},
	}
	if _, err := c.Check(t.Context(), s.Reader); err != nil {
		t.Error(err)
	}
	if _, err := s.Coverage(t.Context(), 0, 1300, 7); err != nil {
		t.Error(err)
	}
	var holes []uint64
	if err := s.Holes(t.Context(), func(n uint64) { holes = append(holes, n) }); err != nil || len(holes) > 0 {
		t.Error(holes, err)
	}
}
