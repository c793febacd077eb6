package command

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
)

// writeOn holds the write lock of a file, as a program does in which somebody
// edits it, until the function that it gives is called.
func writeOn(t *testing.T, db string) (end func()) {
	t.Helper()
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := file.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `PRAGMA busy_timeout = 60000; BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

// While another program holds the write lock, nothing is written and all that is
// there is served; then it goes on by itself.
func TestLocked(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 20)
	db := newDB(t)
	p, page := follow(t, db, url)
	reaches(t, page, 21, 0)
	end := writeOn(t, db)
	n.Do(func(n *nodetest.Node) { n.Head = 40 })
	isLocked(t, page, 21)
	end()
	reaches(t, page, 41, 0)
	eventually(t, "ready", func() bool { return status(t, page).Ready })
	if got := p.stderr.String(); strings.Count(got, "indexing pauses") != 1 || strings.Count(got, "the file can be written again") != 1 {
		t.Errorf("it is not logged once:\n%s", got)
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	mustGapless(t, "verify", "--db", db)
}

// isLocked waits until a process says that the write lock is held, and looks at
// what it serves meanwhile.
func isLocked(t *testing.T, page string, next uint64) {
	t.Helper()
	eventually(t, "it pauses", func() bool { return strings.HasPrefix(status(t, page).State, "paused: ") })
	st := status(t, page)
	if !strings.Contains(st.State, "another program holds the write lock") || !strings.Contains(st.State, "since ") || st.Ready || st.Next != next {
		t.Errorf("status %+v", st)
	}
	if code, body := get(t, page+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "write lock") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := get(t, page+"/block/3"); code != http.StatusOK {
		t.Errorf("a page: %d", code)
	}
	_, metrics := get(t, page+"/metrics")
	for _, line := range []string{`gapless_paused{reason="locked"} 1`, `gapless_paused{reason="disk_full"} 0`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no %s", line)
		}
	}
}

// A start under the lock serves what is there, and goes on when it is free.
func TestStartLocked(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 40)
	db := writeFile(t, 20)
	end := writeOn(t, db)
	p, page := follow(t, db, url)
	isLocked(t, page, 21)
	end()
	reaches(t, page, 41, 0)
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	mustGapless(t, "verify", "--db", db)
}
