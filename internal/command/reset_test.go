package command

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

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

// So does one that began anew while gapless was away.
func TestResetAtStart(t *testing.T) {
	t.Parallel()
	fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 20}))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	db := newDB(t)
	mustGapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest")
	fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(devchain.Spec{Blocks: 12, Salt: "again"}), 12 })
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest", "--on-reset", "stop")
	if code != exitFailed || !strings.Contains(stderr, "reset") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest")
	mustGapless(t, "verify", "--db", db)
	aside, err := filepath.Glob(filepath.Join(filepath.Dir(db), "chain-*.db"))
	if err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
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
