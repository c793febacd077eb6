package command

import (
	"database/sql"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
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

func TestRepair(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		_, url := serve(t, 60)
		db := writeFile(t, 60)
		tamper(t, db, `UPDATE blocks SET state_root = zeroblob(32) WHERE number = 12`, `DELETE FROM logs WHERE block_number = 30`,
			`DELETE FROM transactions WHERE block_number = 31`)
		code, _, _ := gapless(t, "verify", "--db", db)
		if code != exitFault {
			t.Fatalf("verify: exit %d", code)
		}
		if running {
			_, page := follow(t, db, url, "--retry-base", "1ms")
			reaches(t, page, 61, 0)
			code, _, stderr := gapless(t, "verify", "--db", db, "--repair")
			if code != exitFault || !strings.Contains(stderr, "to be fetched anew, now") {
				t.Errorf("exit %d: %s", code, stderr)
			}
			reaches(t, page, 61, 0)
		} else {
			code, _, stderr := gapless(t, "verify", "--db", db, "--repair")
			if code != exitFault || !strings.Contains(stderr, "when gapless run starts") {
				t.Errorf("exit %d: %s", code, stderr)
			}
			mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "60")
		}
		mustGapless(t, "verify", "--db", db)
	}
}

// Numbers that are in no table are found after the start.
func TestAudit(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := writeFile(t, 60)
	tamper(t, db, `DELETE FROM blocks WHERE number IN (3, 4, 40)`, `DELETE FROM transactions WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM logs WHERE block_number IN (3, 4, 40)`, `DELETE FROM transfers WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM uncles WHERE id >> 24 IN (3, 4, 40)`)
	p, _ := follow(t, db, url, "--retry-base", "1ms")
	eventually(t, "the holes are filled", func() bool { return strings.Count(p.stderr.String(), "missing block recovered") == 3 })
	p.stop()
	mustGapless(t, "verify", "--db", db)
}

// A chain that begins anew gets a new file; the old one stays beside it.
func TestReset(t *testing.T) {
	t.Parallel()
	build := func(salt string) *nodetest.Node {
		return nodetest.New(devchain.Build(devchain.Spec{Blocks: 20, Transactions: 1, Logs: 1, Salt: salt}))
	}
	fake := build("")
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	db := newDB(t)
	p, page := follow(t, db, server.URL)
	reaches(t, page, 21, 0)
	before := status(t, page).Chain.Epoch
	other := build("again")
	other.Do(func(o *nodetest.Node) {
		fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = o.Chain, 12 })
	})
	p.says("put aside")
	reaches(t, page, 13, 0)
	if after := status(t, page).Chain.Epoch; after == before {
		t.Error("the new file has the epoch of the old")
	}
	p.stop()
	mustGapless(t, "verify", "--db", db)
	aside, err := filepath.Glob(filepath.Join(filepath.Dir(db), "chain-*.db"))
	if err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
	mustGapless(t, "verify", "--db", aside[0])
}

func TestResetStops(t *testing.T) {
	t.Parallel()
	fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 20}))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	db := newDB(t)
	p, page := follow(t, db, server.URL, "--on-reset", "stop")
	reaches(t, page, 21, 0)
	fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(devchain.Spec{Blocks: 12, Salt: "again"}), 12 })
	if code := p.wait(); code != exitFailed || !strings.Contains(p.stderr.String(), "reset") {
		t.Errorf("exit %d: %s", code, p.stderr.String())
	}
	mustGapless(t, "verify", "--db", db)
}
