package command

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// tamper writes to a file as somebody else would.
func tamper(t *testing.T, db string, statements ...string) {
	t.Helper()
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := file.ExecContext(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// spoiled makes a file in which three blocks of 61 are wrong.
func spoiled(t *testing.T) (db string) {
	t.Helper()
	db = writeFile(t, 60)
	tamper(t, db, `UPDATE blocks SET state_root = zeroblob(32) WHERE number = 12`, `DELETE FROM logs WHERE block_number = 5`,
		`DELETE FROM transactions WHERE block_number = 4`)
	if code, _, _ := gapless(t, "verify", "--db", db); code != exitFault {
		t.Fatalf("verify: exit %d", code)
	}
	return db
}

// Wrong blocks are fetched anew, by the process that has the file or without it.
func TestRepair(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		_, url := serve(t, 60)
		db := spoiled(t)
		args := []string{"verify", "--db", db, "--repair"}
		if running {
			_, page := follow(t, db, url, "--retry-base", "1ms")
			reaches(t, page, 61, 0)
		} else {
			args = append(args, "--rpc", url)
		}
		code, stdout, stderr := gapless(t, args...)
		if code != exitDone || !strings.Contains(stdout, "FAULT") || !strings.Contains(stderr, "wrong blocks fetched anew") {
			t.Errorf("running %t: exit %d: %s", running, code, stderr)
		}
		if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "61 stored, none missing") {
			t.Errorf("running %t: not whole:\n%s", running, got)
		}
	}
}

// What can't be fetched stays missing, and the exit code says so.
func TestRepairIncomplete(t *testing.T) {
	t.Parallel()
	fake, url := serve(t, 60)
	fail(fake, allFail(5))
	for _, tt := range []struct {
		name, url, want string
		missing         int
	}{
		{"the node is down", "http://127.0.0.1:1", "the node does not answer", 3},
		{"the node lacks one", url, "the node did not give them", 1},
		{"the node has another chain", another(t), "another chain", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := spoiled(t)
			code, _, stderr := gapless(t, "verify", "--db", db, "--repair", "--rpc", tt.url)
			if code != exitIncomplete || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, are(tt.missing, "block")+" missing now") {
				t.Errorf("exit %d: %s", code, stderr)
			}
			if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, fmt.Sprintf("%d missing", tt.missing)) {
				t.Errorf("not marked:\n%s", got)
			}
			if left, err := os.ReadFile(db + ".lock"); err != nil || len(left) > 0 {
				t.Errorf("the lock file still says %q (%v)", left, err)
			}
		})
	}
}

// another is a node of another chain.
func another(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(nodetest.New(&recorded.Chain{ChainID: 5, Client: "Geth", Blocks: recording().Blocks}))
	t.Cleanup(server.Close)
	return server.URL
}

// Numbers that are in no table are found after the start.
func TestAudit(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := writeFile(t, 60)
	tamper(t, db, `DELETE FROM blocks WHERE number IN (3, 4, 40)`, `DELETE FROM transactions WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM logs WHERE block_number IN (3, 4, 40)`, `DELETE FROM transfers WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM uncles WHERE block_number IN (3, 4, 40)`)
	p, _ := follow(t, db, url, "--retry-base", "1ms")
	eventually(t, "the holes are filled", func() bool { return strings.Count(p.stderr.String(), "missing block recovered") == 3 })
	p.stop()
	mustGapless(t, "verify", "--db", db)
}

// What was left out while catching up is made later: by the process that has
// the file, or on the file itself.
func TestComplete(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		_, url := serve(t, 200)
		db := filepath.Join(t.TempDir(), "gapless.db")
		mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "200")
		if out := mustGapless(t, "verify", "--db", db); !strings.Contains(out, "a check that was made only now") {
			t.Fatalf("nothing to complete:\n%s", out)
		}
		if running {
			_, page := follow(t, db, url)
			reaches(t, page, 201, 0)
		}
		code, _, stderr := gapless(t, "verify", "--db", db, "--complete")
		if code != exitDone || !strings.Contains(stderr, "blocks are complete now") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		out := mustGapless(t, "verify", "--db", db, "--json")
		if !strings.Contains(out, `"incomplete": 0,`) {
			t.Errorf("still incomplete: %s", out)
		}
	}
}
