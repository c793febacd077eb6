package command

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
)

// readOn stays in a transaction that reads the file, as a careless program
// would, until the function that it gives is called.
func readOn(t *testing.T, db string) (end func()) {
	t.Helper()
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := file.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var blocks int
	if err := tx.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM blocks`).Scan(&blocks); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Somebody else's reader makes the -wal grow: past the limit indexing pauses
// and says so, what is there can be read, and when the reader has gone it goes
// on by itself.
func TestWALLimit(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 20)
	db := newDB(t)
	p, page := follow(t, db, url, "--wal-limit", "300kB")
	reaches(t, page, 21, 0)
	end := readOn(t, db)
	for head := uint64(40); status(t, page).Ready; head += 10 {
		if head > 1600 {
			t.Fatal("the -wal has no limit")
		}
		n.Do(func(n *nodetest.Node) { n.Head = head })
		eventually(t, "the blocks are there, or there is no room", func() bool {
			st := status(t, page)
			return st.Next == head+1 || !st.Ready
		})
	}
	st := status(t, page)
	for _, part := range []string{"paused: a reader holds the -wal", "--wal-limit allows 300 kB", db} {
		if !strings.Contains(st.State, part) {
			t.Errorf("no %q in %q", part, st.State)
		}
	}
	if code, body := get(t, page+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "a reader holds the -wal") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	_, metrics := get(t, page+"/metrics")
	for _, line := range []string{`gapless_paused{reason="wal_held"} 1`, `gapless_paused{reason="disk_full"} 0`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
	if got := mustGapless(t, "status", "--db", db); !strings.Contains(got, "not ready: a reader holds the -wal") {
		t.Errorf("status:\n%s", got)
	}
	if grown := fileSize(db + "-wal"); grown > 3_000_000 {
		t.Errorf("the -wal has %d bytes", grown)
	}
	n.Do(func(n *nodetest.Node) { n.Head = 1000 })
	end()
	reaches(t, page, 1001, 0)
	eventually(t, "ready", func() bool { return status(t, page).Ready })
	if got := p.stderr.String(); strings.Count(got, "indexing pauses") != 1 || strings.Count(got, "the file can be written again") != 1 {
		t.Errorf("it is not told once:\n%s", got)
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if fileSize(db+"-wal") > 0 {
		t.Error("a -wal is left")
	}
	mustGapless(t, "verify", "--db", db)
}

// A run that has an end ends, with a message.
func TestWALLimitUntil(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 1000)
	db := writeFile(t, 20)
	defer readOn(t, db)()
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "1000", "--wal-limit", "300kB", "--rps", "300")
	if code != exitFailed || !strings.Contains(stderr, "a reader holds the -wal") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Less is free than is to stay free.
func TestMinFree(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 20)
	db := newDB(t)
	p, page := follow(t, db, url, "--min-free", "1000000TB")
	p.says("indexing pauses")
	if st := status(t, page); st.Ready || !strings.HasPrefix(st.State, "paused: disk is full: ") || st.Next != 0 {
		t.Errorf("status %+v", st)
	}
	_, metrics := get(t, page+"/metrics")
	if line := `gapless_paused{reason="disk_full"} 1`; !strings.Contains(metrics, line) {
		t.Errorf("no %s", line)
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	mustGapless(t, "verify", "--db", db)
}
