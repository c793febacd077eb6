package archive_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// compare gives all that differs between two files, one line each.
func compare(t *testing.T, a, b string, bounds ...uint64) (lines []string) {
	t.Helper()
	var from, to *uint64
	if len(bounds) == 2 {
		from, to = &bounds[0], &bounds[1]
	}
	c, err := archive.Compare(t.Context(), openReader(t, a), openReader(t, b), from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		what  string
		spans []archive.Span
	}{{"only A", c.OnlyA}, {"only B", c.OnlyB}, {"missing A", c.MissingA}, {"missing B", c.MissingB}} {
		for _, span := range s.spans {
			lines = append(lines, s.what+" "+span.String())
		}
	}
	err = c.Differences(t.Context(), func(d archive.Difference) error {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", d.Where(), d.Field, short(d.A), short(d.B)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(lines, fmt.Sprintf("compared %d", c.Compared))
}

func short(raw []byte) string {
	if len(raw) > 20 {
		return string(raw[:16]) + "…"
	}
	return string(raw)
}

func TestDiffRanges(t *testing.T) {
	t.Parallel()
	a := newFile(t, recording(), 200, 5, 6, 20, 150)
	b := newFile(t, recording(), 120, 6, 80)
	for _, tt := range []struct {
		bounds []uint64
		want   []string
	}{
		{nil, []string{"only A 121 to 200", "missing A 5 to 6", "missing A 20", "missing B 6", "missing B 80", "compared 117"}},
		{[]uint64{10, 70}, []string{"missing A 20", "compared 60"}},
		{[]uint64{100, 130}, []string{"only A 121 to 130", "compared 21"}},
		{[]uint64{130, 170}, []string{"only A 130 to 170", "compared 0"}},
		{[]uint64{500, 600}, []string{"compared 0"}},
	} {
		if diff := cmp.Diff(tt.want, compare(t, a, b, tt.bounds...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.bounds, diff)
		}
	}
}

// Each change of a file shows as what it is. Those that the digest leaves out
// do not.
func TestDiffFields(t *testing.T) {
	t.Parallel()
	whole := newFile(t, recording(), 300)
	for _, tt := range []struct {
		edit string
		want []string
	}{
		{`UPDATE blocks SET size = 7, total_difficulty = '8', indexed_at = 9`, nil},
		{`UPDATE transactions SET effective_gas_price = NULL`, nil},
		{`UPDATE blocks SET extra_data = x'01' WHERE number = 70`, []string{`block 70 extraData "0x6761706c657373" "0x01"`}},
		{`UPDATE blocks SET hash = state_root WHERE number = 300`, []string{`block 300 hash "0xe89ae1be54ccd… "0xf06f9b6ca9d56…`}},
		{`UPDATE transactions SET value = '5', status = NULL, root = zeroblob(32) WHERE id = 61 << 24`,
			[]string{`block 61 transaction 0 value "0x0" "0x5"`, `block 61 receipt 0 root "0x…" "0x…"`}},
		{`UPDATE transactions SET hash = zeroblob(32), nonce = 77 WHERE id = 61 << 24`,
			[]string{`block 61 transaction 0 hash "0x9bc6de08a1ad8… "0x0000000000000…`}},
		{`UPDATE logs SET data = x'01', topic2 = NULL WHERE id = 18 << 24`,
			[]string{`block 18 receipt 0 log 0 data "0x…" "0x01"`, `block 18 receipt 0 log 0 topics … …`}},
		{`DELETE FROM logs WHERE id = (13 << 24) + 4; UPDATE blocks SET log_count = 4 WHERE number = 13;
			UPDATE transactions SET log_count = 4 WHERE id = 13 << 24`, []string{`block 13 receipt 0 logs 5 4`}},
		{`DELETE FROM transactions WHERE id = (99 << 24) + 3; UPDATE blocks SET transaction_count = 3, log_count = 5 WHERE number = 99;
			DELETE FROM logs WHERE id >> 24 = 99 AND transaction_index = 3`, []string{`block 99 transactions 4 3`}},
		{`UPDATE uncles SET miner = zeroblob(20) WHERE block_number = 36 AND position = 0`, []string{`block 36 uncle 0 miner "0x…" "0x…"`}},
		{`UPDATE transactions SET status = NULL WHERE id = (SELECT MIN(id) FROM transactions WHERE status = 1)`, []string{`block … receipt … status "0x1" null`}},
	} {
		path := copyOf(t, whole)
		edit(t, path, tt.edit)
		got := compare(t, whole, path)
		if got, want := got[len(got)-1], "compared 301"; got != want {
			t.Errorf("%s: %s, want %s", tt.edit, got, want)
		}
		got = got[:len(got)-1]
		if len(got) != len(tt.want) {
			t.Errorf("%s:\n%s", tt.edit, strings.Join(got, "\n"))
			continue
		}
		for i := range got {
			if !like(tt.want[i], got[i]) {
				t.Errorf("%s:\n%s\nwant %s", tt.edit, got[i], tt.want[i])
			}
		}
	}
}

// like reports whether a text has the words of a pattern, of which … is any.
func like(pattern, text string) bool {
	words, got := strings.Fields(pattern), strings.Fields(text)
	if len(words) != len(got) {
		return false
	}
	for i, word := range words {
		if !strings.Contains(word, "…") && word != got[i] {
			return false
		}
	}
	return true
}

func TestDiffOtherChains(t *testing.T) {
	t.Parallel()
	dev, err := recorded.ReadFile(recordings + "/nodes/geth-dev.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	a, b := newFile(t, recording(), 3), newFile(t, dev, 3)
	reset := copyOf(t, a)
	edit(t, reset, `UPDATE chain SET genesis_hash = zeroblob(32)`)
	for _, tt := range []struct{ other, want string }{
		{b, "chain id 4410271514675966 and 1337"}, {reset, "genesis 0xae1de2e5"},
	} {
		_, err := archive.Compare(t.Context(), openReader(t, a), openReader(t, tt.other), nil, nil)
		if _, ok := errors.AsType[*archive.OtherChainError](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

func TestDiffStops(t *testing.T) {
	t.Parallel()
	a := newFile(t, recording(), 900)
	b := copyOf(t, a)
	edit(t, b, `UPDATE blocks SET extra_data = x'01'`)
	c, err := archive.Compare(t.Context(), openReader(t, a), openReader(t, b), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = c.Differences(t.Context(), func(archive.Difference) error {
		if found == 3 {
			return archive.ErrStop
		}
		found++
		return nil
	})
	if err != nil || found != 3 {
		t.Errorf("%d differences, error %v", found, err)
	}
}

// A reorg of one of the files while they are compared is noticed.
func TestDiffReorg(t *testing.T) {
	t.Parallel()
	a, b := newFile(t, recording(), 900), newFile(t, recording(), 900)
	w, err := store.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, err := archive.Compare(t.Context(), openReader(t, a), openReader(t, b), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Rewind(t.Context(), store.Reorg{Ancestor: 800}, nil); err != nil {
		t.Fatal(err)
	}
	err = c.Differences(t.Context(), func(archive.Difference) error { return nil })
	if !errors.Is(err, archive.ErrReorganised) {
		t.Errorf("error %v", err)
	}
}
