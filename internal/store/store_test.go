package store_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets the test binary run again as a process of its own: see child.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := child(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// identity is that of the recorded chain.
func identity(start uint64) store.Identity {
	return store.Identity{ChainID: recording().ChainID, Genesis: recording().Blocks[0].Hash,
		Start: start, Client: recording().Client}
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "gapless.db") }

// newStore makes a file for the recorded chain. At the test's end it is closed
// and its promises are checked.
func newStore(t *testing.T, start uint64, commits ...[]store.Entry) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), newPath(t))
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	prepare(t, s, start, commits...)
	return s
}

// emptyStore makes a file for another chain.
func emptyStore(t testing.TB, path string, c *recorded.Chain) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Identify(t.Context(), store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Client: c.Client}); err != nil {
		t.Fatal(err)
	}
	return s
}

// prepare gives a new file its identity and blocks. Each commit comes with the
// anchor that it needs if it is above a gap.
func prepare(t *testing.T, s *store.Store, start uint64, commits ...[]store.Entry) {
	t.Helper()
	if err := s.Identify(t.Context(), identity(start)); err != nil {
		t.Fatal(err)
	}
	for _, entries := range commits {
		var anchors []store.Anchor
		if below, err := s.Highest(t.Context(), entries[0].Number()); err != nil {
			t.Fatal(err)
		} else if below != nil {
			anchors = append(anchors, *below)
		}
		if err := s.Commit(t.Context(), entries, anchors...); err != nil {
			t.Fatal(err)
		}
	}
}

func closeAndCheck(t *testing.T, s *store.Store) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, suffix := range []string{"-wal", "-shm", "-journal"} {
			if _, err := os.Stat(s.Path() + suffix); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("after Close, there is a %s (%v)", suffix, err)
			}
		}
		checkIndex(t, s.Path())
	})
}

// checkIndex proves all promises of a file.
func checkIndex(t *testing.T, path string) store.Checked {
	t.Helper()
	done, faults := check(t, path)
	for _, f := range faults {
		t.Errorf("check: %s", f)
	}
	return done
}

func check(t *testing.T, path string) (store.Checked, []store.Fault) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in clean-up
	r, err := store.OpenReader(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var faults []store.Fault
	done, err := store.Checker{Fault: func(f store.Fault) { faults = append(faults, f) }}.Check(ctx, r)
	if err != nil && !errors.Is(err, store.ErrNoChain) {
		t.Fatalf("check: %v", err)
	}
	return done, faults
}

// contents writes out all rows of a file, without the times and random numbers
// in them.
func contents(t *testing.T, path string) string {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	var out strings.Builder
	for _, query := range []string{
		`SELECT 'chain', chain_id, hex(genesis_hash), start_block, finalized_number, safe_number FROM chain`,
		`SELECT 'block', number, hex(hash), transaction_count, log_count FROM blocks ORDER BY number`,
		`SELECT 'uncle', block_number, position, hex(hash) FROM uncles ORDER BY 2, 3`,
		`SELECT 'transaction', id, block_number, transaction_index, hex(hash) FROM transactions ORDER BY id`,
		`SELECT 'log', id, block_number, log_index, hex(address), hex(data) FROM logs ORDER BY id`,
		`SELECT 'withdrawal', block_number, position, withdrawal_index FROM withdrawals ORDER BY 2, 3`,
		`SELECT 'transfer', block_number, log_index, batch_index, transaction_index, amount FROM transfers ORDER BY 2, 3, 4`,
		`SELECT 'failed', block_number, error_class, error_message, retry_count, last_failed_at, skip_reason FROM failed_blocks ORDER BY block_number`,
		`SELECT 'journal', seq, kind, first_block, last_block, detail FROM journal ORDER BY seq`,
	} {
		for _, row := range queryRows(t, db, query) {
			fmt.Fprintln(&out, row...)
		}
	}
	return out.String()
}

// rowsOf gives the rows of a query, read by a handle of its own.
func rowsOf(t *testing.T, path, query string) [][]any {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	return queryRows(t, db, query)
}

func queryRows(t *testing.T, db *sql.DB, query string) (found [][]any) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func openSQL(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// golden compares text with a file of testdata.
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
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// fill fills with what was fetched just now, and expects nothing displaced.
func fill(ctx context.Context, s *store.Store, b *chain.Block) error {
	displaced, err := s.Fill(ctx, b, s.Rewinds())
	if displaced != nil {
		return fmt.Errorf("block %d was displaced", displaced.Number)
	}
	return err
}
