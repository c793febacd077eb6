package archive_test

import (
	"context"
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const recordings = "../../testdata"

// TestMain makes a file of the whole recorded chain, once, for tests that only
// read it.
func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "archive-test-")
	if err != nil {
		panic(err)
	}
	whole = filepath.Join(folder, "whole.db")
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

var (
	whole     string
	makeWhole sync.Once
)

// wholeFile is a file of the recorded chain. Don't change it.
func wholeFile(t *testing.T) string {
	t.Helper()
	makeWhole.Do(func() {
		if err := os.Rename(newFile(t, recording(), recording().Last()), whole); err != nil {
			t.Fatal(err)
		}
	})
	return whole
}

// newFile makes a file of the blocks of a recording up to a number, but for some.
func newFile(t *testing.T, c *recorded.Chain, last uint64, without ...uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chain.db")
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	id := store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Start: c.Blocks[0].Number, Client: c.Client}
	if err := s.Identify(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	addBlocks(t, s, c, last, without...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// addBlocks commits the blocks of a recording up to a number, but for some.
func addBlocks(t *testing.T, s *store.Store, c *recorded.Chain, last uint64, without ...uint64) {
	t.Helper()
	next, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	var anchors []store.Anchor
	for number := next; number <= last; number++ {
		e := store.Entry{}
		if len(without) > 0 && without[0] == number {
			e.Failure, without = &chain.Failure{Number: number, Class: chain.BlockError, Message: "no"}, without[1:]
		} else {
			e.Block = decode(t, c.Block(number))
			anchors = append(anchors, store.Anchor{Number: number, Hash: e.Block.Hash})
		}
		if entries = append(entries, e); len(entries) == 500 || number == last {
			if err := s.Commit(t.Context(), entries, anchors...); err != nil {
				t.Fatal(err)
			}
			entries = nil
		}
	}
}

func decode(t *testing.T, raw *recorded.Block) *chain.Block {
	t.Helper()
	b, err := chain.DecodeBlock(raw.Block)
	if err == nil {
		err = b.DecodeReceipts(raw.Receipts)
	}
	if err == nil {
		err = b.DecodeUncles(raw.Uncles)
	}
	if err != nil {
		t.Fatal(err)
	}
	chain.Verify(b, chain.AllChecks)
	return b
}

func openReader(t *testing.T, path string) *store.Reader {
	t.Helper()
	r, err := store.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// selected selects all blocks of a file, or those in bounds.
func selected(t *testing.T, path string, bounds ...uint64) *archive.Selection {
	t.Helper()
	var from, to *uint64
	if len(bounds) == 2 {
		from, to = &bounds[0], &bounds[1]
	}
	s, err := archive.Select(t.Context(), openReader(t, path), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func digest(t *testing.T, path string, bounds ...uint64) string {
	t.Helper()
	d, err := selected(t, path, bounds...).Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// canonical writes the canonical file of another, which it gives with its bytes.
func canonical(t *testing.T, path string, bounds ...uint64) (string, []byte) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "canonical.db")
	if err := selected(t, path, bounds...).WriteSQLite(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return to, written
}

// checkIndex proves all promises of a file.
func checkIndex(t *testing.T, path string) {
	t.Helper()
	r, err := store.OpenReader(context.WithoutCancel(t.Context()), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = store.Checker{Fault: func(f store.Fault) { t.Errorf("%s: %s", path, f) }}.Check(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes a file behind the program's back.
func edit(t *testing.T, path, statements string) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// copyOf copies a file that nobody has open.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	to := filepath.Join(t.TempDir(), "copy.db")
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
