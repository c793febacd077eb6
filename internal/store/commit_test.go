package store_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gapless/internal/chain"
	"gapless/internal/store"
)

var wrongHash = common.HexToHash("0xbad")

// forkAt is the ForkError of a block that does not fit its neighbour.
func forkAt(number, neighbour uint64) *store.ForkError {
	return &store.ForkError{Number: number, Neighbour: neighbour}
}

// wants compares an error with the kind that a table names: nil, a sentinel, a
// ForkError's numbers, or a part of its text.
func wants(t *testing.T, got error, want any) {
	t.Helper()
	ok := false
	switch want := want.(type) {
	case nil:
		ok = got == nil
	case *store.ForkError:
		var f *store.ForkError
		ok = errors.As(got, &f) && f.Number == want.Number && f.Neighbour == want.Neighbour && f.Want != f.Got
	case error:
		ok = errors.Is(got, want)
	case string:
		ok = got != nil && strings.Contains(got.Error(), want)
	}
	if !ok {
		t.Errorf("error %v, want %v", got, want)
	}
}

func TestCommit(t *testing.T) {
	type commit = []store.Entry
	for _, tt := range []struct {
		name    string
		start   uint64
		before  []commit
		entries commit
		anchors []store.Anchor
		want    any // see wants
	}{
		{name: "the first blocks", entries: stored(t, 0, 5)},
		{name: "the first blocks from a start block", start: 909, entries: stored(t, 909, 911)},
		{name: "below the start block", start: 909, entries: stored(t, 908, 909), want: "block 908 is not the next, which is 909"},
		{name: "above the start block", start: 909, entries: stored(t, 910, 910), want: "block 910 is not the next, which is 909"},
		{name: "nothing", entries: nil},
		{name: "the next", before: []commit{stored(t, 0, 3)}, entries: stored(t, 4, 4)},
		{name: "the last again", before: []commit{stored(t, 0, 3)}, entries: stored(t, 3, 3), want: "block 3 is not the next, which is 4"},
		{name: "one further", before: []commit{stored(t, 0, 3)}, entries: stored(t, 5, 5), want: "block 5 is not the next, which is 4"},
		{name: "a hole between", before: []commit{stored(t, 0, 3)}, entries: append(stored(t, 4, 4), stored(t, 6, 6)...), want: "block 6 is not the next, which is 5"},
		{name: "one twice", before: []commit{stored(t, 0, 3)}, entries: append(stored(t, 4, 4), stored(t, 4, 4)...), want: "block 4 is not the next, which is 5"},
		{name: "a failure that is not the next", before: []commit{stored(t, 0, 3)}, entries: missing(5, 5), want: "block 5 is not the next, which is 4"},
		{name: "a missing one again", before: []commit{missing(0, 3)}, entries: missing(3, 3), want: "block 3 is not the next, which is 4"},
		{name: "a missing one as a block", before: []commit{missing(0, 3)}, entries: stored(t, 3, 3), want: "block 3 is not the next, which is 4"},
		{name: "another parent", before: []commit{stored(t, 0, 3)}, entries: commit{{Block: fork(t, 4, wrongHash)}}, want: forkAt(4, 3)},
		{name: "another parent inside the commit", entries: append(stored(t, 0, 3), store.Entry{Block: fork(t, 4, wrongHash)}), want: forkAt(4, 3)},
		{name: "another block of the right parent", before: []commit{stored(t, 0, 3)}, entries: commit{{Block: fork(t, 4, recording().Block(3).Hash)}}},
		{name: "another genesis", entries: commit{{Block: fork(t, 0, common.Hash{})}}, want: forkAt(0, 0)},
		{name: "failures only", entries: missing(0, 4)},
		{name: "failures at the start", entries: append(missing(0, 2), stored(t, 3, 4)...)},
		{name: "failures at the start, block later", before: []commit{missing(0, 2)}, entries: stored(t, 3, 4)},
		{name: "above a gap without an anchor", before: []commit{stored(t, 0, 3), missing(4, 5)}, entries: stored(t, 6, 6), want: "nothing says that block 3 below it still stands"},
		{name: "above a gap in the commit without an anchor", entries: slices.Concat(stored(t, 0, 3), missing(4, 5), stored(t, 6, 6)), want: "nothing says that block 3 below it still stands"},
		{name: "above a gap with the anchor", before: []commit{stored(t, 0, 3), missing(4, 5)}, entries: stored(t, 6, 6), anchors: []store.Anchor{anchor(3)}},
		{name: "above a gap in the commit with the anchor", entries: slices.Concat(stored(t, 0, 3), missing(4, 5), stored(t, 6, 6)), anchors: []store.Anchor{anchor(3)}},
		{name: "above a gap with a wrong anchor", before: []commit{stored(t, 0, 3), missing(4, 5)}, entries: stored(t, 6, 6), anchors: []store.Anchor{{Number: 3, Hash: wrongHash}}, want: forkAt(6, 3)},
		{name: "above a gap with the anchor of another", before: []commit{stored(t, 0, 3), missing(4, 5)}, entries: stored(t, 6, 6), anchors: []store.Anchor{anchor(2), anchor(4)}, want: "nothing says that block 3 below it still stands"},
		{name: "two gaps, one anchor", entries: slices.Concat(stored(t, 0, 3), missing(4, 4), stored(t, 5, 5), missing(6, 6), stored(t, 7, 7)), anchors: []store.Anchor{anchor(3)}, want: "nothing says that block 5 below it still stands"},
		{name: "two gaps, two anchors", entries: slices.Concat(stored(t, 0, 3), missing(4, 4), stored(t, 5, 5), missing(6, 6), stored(t, 7, 7)), anchors: []store.Anchor{anchor(5), anchor(3)}},
		{name: "failures above a gap need no anchor", before: []commit{stored(t, 0, 3), missing(4, 5)}, entries: missing(6, 7)},
		{name: "without its uncles", before: []commit{stored(t, 0, 4)}, entries: commit{{Block: withoutUncles(t, 5)}}, want: "0 of 1 uncle headers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, tt.start, tt.before...)
			before := contents(t, s.Path())
			err := s.Commit(t.Context(), tt.entries, tt.anchors...)
			wants(t, err, tt.want)
			if err != nil {
				unchanged(t, s.Path(), before)
				return
			}
			next := tt.start
			for _, e := range slices.Concat(append(tt.before, tt.entries)...) {
				next = e.Number() + 1
			}
			if got, err := s.Next(t.Context()); err != nil || got != next {
				t.Errorf("Next is %d, %v, want %d", got, err, next)
			}
		})
	}
}

func unchanged(t *testing.T, path, before string) {
	t.Helper()
	if diff := cmp.Diff(before, contents(t, path)); diff != "" {
		t.Errorf("it changed the file (-before +after):\n%s", diff)
	}
}

func withoutUncles(t *testing.T, number uint64) *chain.Block {
	t.Helper()
	b, err := chain.DecodeBlock(recording().Block(number).Block)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.DecodeReceipts(recording().Block(number).Receipts); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCommitWithoutIdentity(t *testing.T) {
	s, err := store.Open(t.Context(), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	wants(t, s.Commit(t.Context(), stored(t, 0, 0)), store.ErrNoChain)
	wants(t, s.Rewind(t.Context(), store.Reorg{}, nil), store.ErrNoChain)
	_, err = s.Next(t.Context())
	wants(t, err, store.ErrNoChain)
}

func TestFill(t *testing.T) {
	parent := recording().Block(3).Hash
	for _, tt := range []struct {
		name    string
		missing []store.Entry // between block 3 and block 8, in a gap from 4 to 7
		skip    uint64
		fill    *chain.Block
		want    any // see wants
	}{
		{name: "at the lower edge", fill: block(t, 4)},
		{name: "in the middle", fill: block(t, 5)},
		{name: "at the upper edge", fill: block(t, 7)},
		{name: "misfit below", fill: fork(t, 4, wrongHash), want: forkAt(4, 3)},
		{name: "misfit above", fill: fork(t, 7, recording().Block(6).Hash), want: forkAt(7, 8)},
		{name: "another chain's at the lower edge", fill: fork(t, 4, parent)}, // nothing here can tell
		{name: "stored", fill: block(t, 3), want: store.ErrObsolete},
		{name: "stored, another", fill: fork(t, 3, wrongHash), want: store.ErrObsolete},
		{name: "above the head", fill: block(t, 9), want: store.ErrObsolete},
		{name: "skipped", skip: 5, fill: block(t, 5), want: store.ErrObsolete},
		{name: "another is skipped", skip: 6, fill: block(t, 5)},
		{name: "without its uncles", fill: withoutUncles(t, 5), want: "0 of 1 uncle headers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, 0, stored(t, 0, 3), missing(4, 7), stored(t, 8, 8))
			if tt.skip != 0 {
				if err := s.Skip(t.Context(), tt.skip, "lost for good"); err != nil {
					t.Fatal(err)
				}
			}
			before := contents(t, s.Path())
			err := fill(t.Context(), s, tt.fill)
			wants(t, err, tt.want)
			if err != nil {
				unchanged(t, s.Path(), before)
				return
			}
			if _, err := s.Failed(t.Context(), tt.fill.Number); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("its row is still there: %v", err)
			}
			if got, err := s.Block(t.Context(), tt.fill.Number); err != nil || got.Hash != tt.fill.Hash {
				t.Errorf("it is not stored: %v", err)
			}
			wants(t, fill(t.Context(), s, tt.fill), store.ErrObsolete)
		})
	}
}

// A gap closes in whatever order its blocks come, if it was of one chain.
func TestFillOfAWholeGap(t *testing.T) {
	for _, order := range [][]uint64{{4, 5, 6, 7}, {7, 6, 5, 4}, {5, 7, 4, 6}} {
		s := newStore(t, 0, stored(t, 0, 3), missing(4, 7), stored(t, 8, 8))
		for _, n := range order {
			if err := fill(t.Context(), s, block(t, n)); err != nil {
				t.Error(err)
			}
		}
		if missing, err := s.FailedFrom(t.Context(), 0, 10); err != nil || len(missing) != 0 {
			t.Error(missing, err)
		}
	}
}

// A child of the block below that is of another chain is found out by the block
// above it, and makes way.
func TestFillDisplacesAnotherChainsBlock(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 5), stored(t, 6, 6))
	wants(t, fill(t.Context(), s, fork(t, 4, recording().Block(3).Hash)), nil)
	displaced, err := s.Fill(t.Context(), block(t, 5), s.Rewinds())
	if err != nil || displaced == nil || displaced.Number != 4 || displaced.Class != chain.Fork {
		t.Fatal(displaced, err)
	}
	row, err := s.Failed(t.Context(), 4)
	if err != nil || row.Class != chain.Fork || row.NextRetryAt.After(time.Now()) {
		t.Errorf("row %+v, %v", row, err)
	}
	wants(t, fill(t.Context(), s, block(t, 4)), nil)
}

func TestFillFetchedBeforeARewind(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 6))
	before := s.Rewinds()
	if err := s.Rewind(t.Context(), store.Reorg{Ancestor: 3}, missing(4, 6)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Fill(t.Context(), block(t, 5), before)
	wants(t, err, store.ErrObsolete)
	wants(t, fill(t.Context(), s, block(t, 5)), nil)
}

func TestFillOfGenesis(t *testing.T) {
	s := newStore(t, 0, missing(0, 1), stored(t, 2, 2))
	wants(t, fill(t.Context(), s, fork(t, 0, common.Hash{})), forkAt(0, 0))
	wants(t, fill(t.Context(), s, block(t, 0)), nil)
	wants(t, fill(t.Context(), s, block(t, 1)), nil)
}

func TestRewind(t *testing.T) {
	forked := fork(t, 6, recording().Block(5).Hash)
	for _, tt := range []struct {
		name     string
		start    uint64
		before   [][]store.Entry
		ancestor uint64
		entries  []store.Entry
		anchors  []store.Anchor
		next     uint64
		want     any // see wants
	}{
		{name: "one block", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 6, next: 7},
		{name: "to the start block", start: 909, before: [][]store.Entry{stored(t, 909, 912)}, ancestor: 909, next: 910},
		{name: "to genesis", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 0, next: 1},
		{name: "below the start block", start: 909, before: [][]store.Entry{stored(t, 909, 912)}, ancestor: 907, want: "the start block is 909"},
		{name: "of the start block", start: 909, before: [][]store.Entry{stored(t, 909, 912)}, ancestor: 908, next: 909},
		{name: "to the head", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 7, want: "nothing is above it"},
		{name: "above the head", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 100, want: "nothing is above it"},
		{name: "above all numbers", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: math.MaxUint64, want: "nothing is above it"},
		{name: "of an empty file", ancestor: 0, want: "nothing is above it"},
		{name: "of an empty file, above all numbers", ancestor: math.MaxUint64, want: "nothing is above it"},
		{name: "over a gap", before: [][]store.Entry{stored(t, 0, 3), missing(4, 6), stored(t, 7, 7)}, ancestor: 3, next: 4},
		{name: "into a gap", before: [][]store.Entry{stored(t, 0, 3), missing(4, 6), stored(t, 7, 7)}, ancestor: 5, next: 6},
		{name: "failures only", before: [][]store.Entry{stored(t, 0, 3), missing(4, 6)}, ancestor: 3, next: 4},
		{name: "and on", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 5, entries: []store.Entry{{Block: forked}}, next: 7},
		{name: "and on with failures", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 5, entries: missing(6, 9), next: 10},
		{name: "and on, over a gap", before: [][]store.Entry{stored(t, 0, 3), missing(4, 6), stored(t, 7, 7)}, ancestor: 5, entries: append(missing(6, 6), stored(t, 7, 8)...), anchors: []store.Anchor{anchor(3)}, next: 9},
		{name: "and on with what does not fit", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 4, entries: []store.Entry{{Block: forked}}, want: "block 6 is not the next, which is 5"},
		{name: "and on with another fork", before: [][]store.Entry{stored(t, 0, 7)}, ancestor: 5, entries: []store.Entry{{Block: fork(t, 6, wrongHash)}}, want: forkAt(6, 5)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, tt.start, tt.before...)
			before := contents(t, s.Path())
			err := s.Rewind(t.Context(), store.Reorg{Ancestor: tt.ancestor}, tt.entries, tt.anchors...)
			wants(t, err, tt.want)
			if err != nil {
				unchanged(t, s.Path(), before)
				return
			}
			if got, err := s.Next(t.Context()); err != nil || got != tt.next {
				t.Errorf("Next is %d, %v, want %d", got, err, tt.next)
			}
		})
	}
}

// What is in the journal after a life with everything in it.
func TestJournal(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3), missing(4, 5), stored(t, 6, 6))
	forked := fork(t, 6, recording().Block(5).Hash)
	for _, err := range []error{
		fill(t.Context(), s, block(t, 5)),
		s.Rewind(t.Context(), store.Reorg{Ancestor: 5, New: []common.Hash{forked.Hash}},
			slices.Concat([]store.Entry{{Block: forked}}, missing(7, 8))),
		s.RetryFailed(t.Context(), failure(7, 4)),
		s.Skip(t.Context(), 8, "lost"),
		s.Rewind(t.Context(), store.Reorg{Ancestor: 6}, nil),
		s.Commit(t.Context(), slices.Concat(missing(7, 7), missing(8, 8))),
		s.Rewind(t.Context(), store.Reorg{Ancestor: 5}, stored(t, 6, 8)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	rows, err := s.JournalAfter(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.At.IsZero() {
			t.Errorf("%d has no time", r.Seq)
		}
		out.WriteString(strings.TrimSpace(strings.Join([]string{
			uintText(uint64(r.Seq)), r.Kind, uintText(r.First), uintText(r.Last), r.Detail}, " ")) + "\n")
	}
	golden(t, "journal.golden", out.String())

	end, err := s.JournalEnd(t.Context())
	if err != nil || end != rows[len(rows)-1].Seq {
		t.Errorf("the journal ends at %d, %v", end, err)
	}
	some, err := s.JournalAfter(t.Context(), 2, 3)
	if diff := cmp.Diff(rows[2:5], some); err != nil || diff != "" {
		t.Errorf("rows 3 to 5: %v\n%s", err, diff)
	}
}

// Rows of kind blocks are merged once they are old, where they follow on from
// each other.
func TestJournalIsMerged(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	_, err := s.Writer().ExecContext(t.Context(), `INSERT INTO journal (kind, at, first_block, last_block)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100999)
		SELECT CASE WHEN i = 100999 THEN 'reorg' WHEN i IN (50, 700) THEN 'filled' ELSE 'blocks' END,
			0, iif(i = 100999, 0, iif(i > 900, i + 7, i)), iif(i > 900, i + 7, i) FROM n`)
	if err != nil {
		t.Fatal(err)
	}
	commit := func(last uint64) {
		next, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n := next; n <= last; n++ {
			if err := s.Commit(t.Context(), stored(t, n, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(0) // 101000
	want := []store.JournalRow{
		{Seq: 49, Kind: "blocks", First: 1, Last: 49},
		{Seq: 50, Kind: "filled", First: 50, Last: 50},
		{Seq: 699, Kind: "blocks", First: 51, Last: 699},
		{Seq: 700, Kind: "filled", First: 700, Last: 700},
		{Seq: 900, Kind: "blocks", First: 701, Last: 900},
		{Seq: 1000, Kind: "blocks", First: 908, Last: 1007},
		{Seq: 1001, Kind: "blocks", First: 1008, Last: 1008},
	}
	same := func() {
		t.Helper()
		rows, err := s.JournalAfter(t.Context(), 0, len(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rows, cmpopts.IgnoreFields(store.JournalRow{}, "At")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	same()
	commit(999)
	same()
	commit(1000) // 102000
	want[5], want[6] = store.JournalRow{Seq: 2000, Kind: "blocks", First: 908, Last: 2007}, store.JournalRow{Seq: 2001, Kind: "blocks", First: 2008, Last: 2008}
	same()
}
