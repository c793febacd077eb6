package store_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

// All of a file that has no damage is recovered.
func TestRecoverAll(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	prepare(t, s, 740, stored(t, 740, 940), missing(941, 942), stored(t, 943, 950), missing(951, 951))
	wants(t, s.Skip(t.Context(), 942, "lost"), nil)
	wants(t, s.Rewind(t.Context(), store.Reorg{Ancestor: 948}, nil), nil)
	wants(t, s.Close(), nil)
	before, content := contents(t, path), contentOf(t, path)
	for _, want := range []string{path + ".damaged", path + ".damaged-2"} {
		aside, err := store.Recover(t.Context(), path)
		wants(t, err, nil)
		if aside != want {
			t.Errorf("the damaged file is %s, want %s", aside, want)
		}
		if diff := cmp.Diff(before, contents(t, path)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		checkIndex(t, path)
	}
	if !bytes.Equal(content, contentOf(t, path+".damaged")) {
		t.Error("the damaged file is not as it was")
	}
}

// A damaged file that can't be put aside, here because the name for its -wal is
// taken, is left at its place as it was.
func TestRecoverCantPutAside(t *testing.T) {
	t.Parallel()
	path := closedFile(t, 0, stored(t, 0, 20))
	wants(t, os.WriteFile(path+"-wal", []byte("not one of SQLite's"), 0o600), nil)
	wants(t, os.MkdirAll(path+".damaged-wal/taken", 0o700), nil)
	content := contentOf(t, path)
	if aside, err := store.Recover(t.Context(), path); err == nil {
		t.Fatalf("it is at %s", aside)
	}
	if !bytes.Equal(content, contentOf(t, path)) {
		t.Error("the damaged file is not as it was")
	}
}

// A page that is lost takes nothing with it but what is in it: numbers that are gone
// are in no table, or known to be missing if they were the newest.
func TestRecoverWithoutAPage(t *testing.T) {
	t.Parallel()
	whole := closedFile(t, 740, stored(t, 740, 940))
	content := contentOf(t, whole)
	const page = 8192
	for _, table := range []string{"blocks", "transactions", "logs", "transfers", "withdrawals", "journal", "uncles"} {
		pages := rowsOf(t, whole, `SELECT pageno FROM dbstat WHERE name = '`+table+`' AND pagetype = 'leaf'`)
		if len(pages) == 0 {
			t.Fatalf("%s has no pages", table)
		}
		for _, row := range pages {
			number := row[0].(int64)
			path, damaged := newPath(t), bytes.Clone(content)
			clear(damaged[(number-1)*page : number*page])
			wants(t, os.WriteFile(path, damaged, 0o600), nil)
			_, err := store.Recover(t.Context(), path)
			wants(t, err, nil)
			s, err := store.Open(t.Context(), path)
			wants(t, err, nil)
			next, err := s.Next(t.Context())
			wants(t, err, nil)
			if next != 941 {
				t.Errorf("%s, page %d: the next block is %d", table, number, next)
			}
			wants(t, s.Close(), nil)
			_, faults := check(t, path)
			for _, f := range faults {
				if f.Promise == store.Sound || f.Number < 740 || f.Number > 940 {
					t.Errorf("%s, page %d: %s", table, number, f)
				}
			}
			if len(faults) > 120 {
				t.Errorf("%s, page %d of %d: %d faults", table, number, len(pages), len(faults))
			}
		}
	}
}

// A file that is damaged where it says which chain it is of is left as it is.
func TestRecoverNothing(t *testing.T) {
	t.Parallel()
	path := closedFile(t, 0, stored(t, 0, 20))
	const page = 8192
	content := contentOf(t, path)
	root := rowsOf(t, path, `SELECT rootpage FROM sqlite_schema WHERE name = 'chain'`)[0][0].(int64)
	clear(content[(root-1)*page : root*page])
	wants(t, os.WriteFile(path, content, 0o600), nil)
	_, err := store.Recover(t.Context(), path)
	wants(t, err, store.ErrCorrupt)
	if !bytes.Equal(content, contentOf(t, path)) {
		t.Error("the file is not as it was")
	}
	if left := beside(t, path); len(left) > 2 {
		t.Errorf("something is left: %v", left)
	}
}

// closedFile makes a file that nobody has open.
func closedFile(t *testing.T, start uint64, commits ...[]store.Entry) (path string) {
	t.Helper()
	path = newPath(t)
	s, err := store.Open(t.Context(), path)
	wants(t, err, nil)
	prepare(t, s, start, commits...)
	wants(t, s.Close(), nil)
	return path
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	wants(t, err, nil)
	return content
}

// Making indexes anew takes its time with a large file, and ends when it is to.
func TestReindexIsStopped(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0, stored(t, 0, 20))
	execute(t, s, `CREATE TEMP TABLE rows AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300000) SELECT n FROM n`)
	execute(t, s, `INSERT INTO logs (id, block_number, log_index, transaction_index, address, data, shape)
		SELECT (20 << 24) + 10000 + n, 20, 10000 + n, 0, randomblob(20), zeroblob(1), 0 FROM rows`)
	ctx, stop := context.WithCancel(t.Context())
	defer time.AfterFunc(20*time.Millisecond, stop).Stop()
	if err := s.Reindex(ctx); err == nil {
		t.Error("it went on to the end")
	}
	execute(t, s, `DELETE FROM logs WHERE id > (20 << 24) + 10000`)
}

// Where the description of a table can't be read, ours stands in for it.
func TestRecoverWithoutSchema(t *testing.T) {
	t.Parallel()
	whole := closedFile(t, 0, stored(t, 0, 20))
	content, before := contentOf(t, whole), contents(t, whole)
	for _, text := range []string{"CREATE TABLE blocks", "CREATE TABLE logs", "CREATE TABLE chain", "tablelogslogs", "tableblocksblocks"} {
		at := bytes.Index(content, []byte(text))
		if at < 0 {
			t.Fatalf("there is no %q", text)
		}
		for _, i := range []int{3, 8, len(text) - 1} {
			path, damaged := newPath(t), bytes.Clone(content)
			damaged[at+i] ^= 0x80
			wants(t, os.WriteFile(path, damaged, 0o600), nil)
			if _, err := store.Recover(t.Context(), path); err != nil {
				t.Errorf("%s, byte %d: %v", text, i, err)
				continue
			}
			if diff := cmp.Diff(before, contents(t, path)); diff != "" {
				t.Errorf("%s, byte %d (-want +got):\n%s", text, i, diff)
			}
			checkIndex(t, path)
			if left := beside(t, path); len(left) != 3 {
				t.Errorf("something is left: %v", left)
			}
		}
	}
}
