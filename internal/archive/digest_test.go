package archive_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// digests.golden has the digests of all recordings. They never change: a change
// of the form is another version.
func TestDigests(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(recordings + "/*/*.jsonl.gz")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%d recordings: %v", len(paths), err)
	}
	var got strings.Builder
	for _, path := range paths {
		c, err := recorded.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\n  %s\n", filepath.Base(path), digest(t, newFile(t, c, c.Last())))
	}
	golden(t, "digests.golden", got.String())
}

// The digest is what its comment says.
func TestDigestByHand(t *testing.T) {
	t.Parallel()
	c := recording()
	form := fmt.Appendf(nil, "gapless-digest/1 %d 3-70\n", c.ChainID)
	for number := uint64(3); number <= 70; number++ {
		form = decode(t, c.Block(number)).AppendCanonical(form)
	}
	want := fmt.Sprintf("gapless-digest/1 %d 3-70 %x", c.ChainID, sha256.Sum256(form))
	got := digest(t, wholeFile(t), 3, 70)
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	parsed, err := archive.ParseDigest(got)
	if err != nil || parsed.String() != got {
		t.Errorf("parsed %s, %v", parsed, err)
	}
	for _, bad := range []string{"", "gapless-digest/2" + got[16:], got + "0", got[:len(got)-1], " " + got, strings.Replace(got, "3-70", "3-99999999999999999999", 1)} {
		if d, err := archive.ParseDigest(bad); err == nil {
			t.Errorf("parsed %q as %s", bad, d)
		}
	}
}

func TestSelectMissing(t *testing.T) {
	t.Parallel()
	path := newFile(t, recording(), 30, 7, 8, 9, 12, 30)
	for _, tt := range []struct {
		from, to int // -1: none
		want     []archive.Span
	}{
		{-1, -1, []archive.Span{{7, 9}, {12, 12}, {30, 30}}},
		{8, 8, []archive.Span{{8, 8}}},
		{10, 11, nil},
		{13, 40, []archive.Span{{30, 40}}},
		{50, 60, []archive.Span{{50, 60}}},
		{9, 13, []archive.Span{{9, 9}, {12, 12}}},
	} {
		bound := func(n int) *uint64 {
			if n < 0 {
				return nil
			}
			u := uint64(n)
			return &u
		}
		_, err := archive.Select(t.Context(), openReader(t, path), bound(tt.from), bound(tt.to))
		var got []archive.Span
		if m, ok := errors.AsType[*archive.MissingError](err); ok {
			got = m.Spans
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d to %d (-want +got):\n%s", tt.from, tt.to, diff)
		}
	}
}

// Whatever somebody changes in a file, reading it fails or tells another digest,
// but for what the digest leaves out.
func TestDigestOfDamage(t *testing.T) {
	t.Parallel()
	whole := newFile(t, recording(), 150)
	want := digest(t, whole)
	for _, tt := range []struct {
		edit string
		want string // of the error; empty: another digest
	}{
		{`UPDATE blocks SET state_root = parent_hash WHERE number = 70`, "header hash"},
		{`UPDATE blocks SET hash = zeroblob(32) WHERE number = 70`, "header hash"},
		{`UPDATE blocks SET checks_passed = 0, hash = zeroblob(32) WHERE number = 70`, "not linked"},
		{`UPDATE blocks SET hash = zeroblob(32) WHERE number = 150`, "header hash"},
		{`UPDATE blocks SET checks_passed = 0, extra_data = x'01' WHERE number = 150`, ""},
		{`UPDATE transactions SET from_address = zeroblob(20) WHERE id = (SELECT MIN(id) FROM transactions WHERE to_address IS NOT NULL)`, ""},
		{`UPDATE transactions SET value = '1' WHERE id = 67 << 24`, "transactions root"},
		{`UPDATE transactions SET status = 0, root = NULL WHERE id = 150 << 24`, "receipts root"},
		{`UPDATE transactions SET gas_used = gas_used + 1 WHERE id = 67 << 24`, "gas used"},
		{`UPDATE logs SET data = x'01' WHERE id = 13 << 24`, "receipts root"},
		{`DELETE FROM logs WHERE id = 13 << 24`, "has 4 of 5 logs"},
		{`DELETE FROM transactions WHERE id = 13 << 24`, "not whole"},
		{`DELETE FROM uncles WHERE block_number = 36`, "not whole"},
		{`DELETE FROM blocks WHERE number = 20`, "blocks are missing: 20"},
		{`UPDATE blocks SET difficulty = 'many' WHERE number = 20`, "difficulty"},
	} {
		path := copyOf(t, whole)
		edit(t, path, tt.edit)
		d, err := selected(t, path).Digest(t.Context())
		switch {
		case tt.want == "" && (err != nil || d.String() == want):
			t.Errorf("%s: digest %s, error %v", tt.edit, d, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.edit, err, tt.want)
		}
	}
	path := copyOf(t, whole)
	edit(t, path, `UPDATE blocks SET size = size + 1, total_difficulty = '7', indexed_at = 7, checks_passed = 0`)
	if got := digest(t, path); got != want {
		t.Errorf("digest %s depends on what no chain says, want %s", got, want)
	}
}

// A reorg in the middle is noticed; blocks that come meanwhile are no matter.
func TestReorgMeanwhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		ancestor uint64
		to       uint64
		want     error
	}{
		{"below what was read", 10, 900, archive.ErrReorganised},
		{"above what was read", 890, 900, archive.ErrReorganised},
		{"above the range", 880, 870, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t, recording(), 900)
			w, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			s := selected(t, path, 0, tt.to)
			once := false
			s.Progress = func(uint64) {
				if once {
					return
				}
				once = true
				if err := w.Rewind(t.Context(), store.Reorg{Ancestor: tt.ancestor}, nil); err != nil {
					t.Error(err)
				}
				addBlocks(t, w, recording(), 1000)
			}
			if _, err := s.Digest(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// A file that is put aside while it is read is read to its end, or that is
// noticed.
func TestRotationMeanwhile(t *testing.T) {
	t.Parallel()
	path := newFile(t, recording(), 900)
	want := digest(t, path)
	w, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := selected(t, path)
	once := false
	s.Progress = func(uint64) {
		if once {
			return
		}
		once = true
		if _, err := w.Rotate(t.Context()); err != nil {
			t.Error(err)
		}
		if err := w.Identify(t.Context(), s.Identity); err != nil {
			t.Error(err)
		}
		addBlocks(t, w, recording(), 400)
	}
	d, err := s.Digest(t.Context())
	if !errors.Is(err, archive.ErrReorganised) && d.String() != want {
		t.Errorf("digest %s, error %v", d, err)
	}
}
