package command

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

// inFolder lists the folder of a path.
func inFolder(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// A copy is made while blocks come in, is whole, and is gone on with.
func TestBackup(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 300)
	fail(n, allFail(7))
	db, out := newDB(t), newDB(t)
	p, page := follow(t, db, url)
	reaches(t, page, 301, 1)
	n.Do(func(n *nodetest.Node) { n.Head = 1600 })
	said := mustGapless(t, "backup", out, "--db", db)
	if !strings.Contains(said, ", 1 missing, ") {
		t.Error(said)
	}
	if got := inFolder(t, out); got != "chain.db" {
		t.Errorf("there are %s", got)
	}
	if mode := rowOf(t, out, `PRAGMA journal_mode`); mode != "delete" {
		t.Errorf("journal mode is %s", mode)
	}
	mustVerify(t, out)
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	fail(n, nil)
	mustGapless(t, "run", "--db", out, "--rpc", url, "--listen", "off", "--until", "1600")
	if got := mustVerify(t, out); !strings.Contains(got, "1,601 stored, none missing") {
		t.Error(got)
	}
}

func rowOf(t *testing.T, path, query string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Nothing is overwritten unless that is asked for, and where a copy can't be made
// or proved there is none.
func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	db, out := writeFile(t, 30), newDB(t)
	mustGapless(t, "backup", out, "--db", db)
	if code, _, said := gapless(t, "backup", out, "--db", db); code != exitUsage || !strings.Contains(said, "--force replaces it") {
		t.Errorf("exit %d, %s", code, said)
	}
	mustGapless(t, "backup", out, "--db", db, "--force")

	tamper(t, db, `UPDATE blocks SET gas_used = gas_used + 1 WHERE number = 9`)
	faulty := newDB(t)
	code, _, said := gapless(t, "backup", faulty, "--db", db)
	if code != exitFault || !strings.Contains(said, "there is no backup") || !strings.Contains(said, "block 9") {
		t.Errorf("exit %d, %s", code, said)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr text
	if code := Main(ctx, []string{"backup", faulty, "--db", out}, &stdout, &stderr); code != exitFailed {
		t.Errorf("stopped: exit %d, %s", code, stderr.String())
	}
	if got := inFolder(t, faulty); got != "" {
		t.Errorf("there are %s", got)
	}
}

// Files may be named from where one is, and one without a chain is copied too.
func TestBackupOfRelativePath(t *testing.T) {
	db := writeFile(t, 30)
	t.Chdir(filepath.Dir(db))
	if got := mustGapless(t, "backup", "copy.db", "--db", "chain.db"); !strings.Contains(got, "copy.db: block 0 to 30, none missing") {
		t.Error(got)
	}
	if got := mustVerify(t, "copy.db"); !strings.Contains(got, "31 stored") {
		t.Error(got)
	}
	if err := os.Remove("chain.db"); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), "chain.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mustGapless(t, "backup", "empty.db", "--db", "chain.db"); !strings.Contains(got, "no block yet") {
		t.Error(got)
	}
}
