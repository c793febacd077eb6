package command

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
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

// A node that begins anew again while the reset is made sure of, or is away just
// then, is waited for.
func TestResetTwiceAtStart(t *testing.T) {
	t.Parallel()
	build := func(salt string) *recorded.Chain { return devchain.Build(devchain.Spec{Blocks: 12, Salt: salt}) }
	for _, tt := range []struct {
		name, says   string
		change, mend func(*nodetest.Node)
	}{
		{"another chain", "one chain and then of another", func(n *nodetest.Node) { n.Chain = build("third") }, func(*nodetest.Node) {}},
		{"away", "no answer yet", func(n *nodetest.Node) { n.Down = true }, func(n *nodetest.Node) { n.Down = false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := nodetest.New(build("first"))
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			db := newDB(t)
			args := []string{"run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest"}
			mustGapless(t, args...)
			fake.Do(func(n *nodetest.Node) { n.Chain, n.Methods = build("second"), map[string]int{} })
			p := begin(t, args...)
			eventually(t, "the node has told its chain and head", func() (told bool) {
				fake.Do(func(n *nodetest.Node) { told = n.Methods["eth_getBlockByNumber"] >= 2 })
				return told
			})
			fake.Do(tt.change)
			p.says(tt.says)
			fake.Do(tt.mend)
			if code := p.wait(); code != 0 {
				t.Fatalf("exit %d: %s", code, p.stderr.String())
			}
			mustGapless(t, "verify", "--db", db)
			if aside, err := filepath.Glob(filepath.Join(filepath.Dir(db), "chain-*.db")); err != nil || len(aside) != 1 {
				t.Error(aside, err)
			}
		})
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

// A file that Litestream replicates stays where it is.
func TestResetOfReplicated(t *testing.T) {
	t.Parallel()
	fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 20}))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	db := newDB(t)
	mustGapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest")
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.ExecContext(t.Context(), `CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(devchain.Spec{Blocks: 12, Salt: "again"}), 12 })
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off", "--until", "latest")
	if code != exitFailed || !strings.Contains(stderr, "is replicated by Litestream") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, "verify", "--db", db)
}

// What a node answers wrong, or not at all, while a file is bound to its chain ends
// nothing; what an operator must see to does.
func TestPasses(t *testing.T) {
	for _, tt := range []struct {
		name     string
		err      error
		loopback bool
		want     bool
	}{
		{"down", &chain.Error{Class: chain.EndpointDown, Err: errors.New("connection refused")}, false, true},
		{"one question is not answered", &chain.Error{Class: chain.BlockError, Err: errors.New("eth_chainId: not answered")}, true, true},
		{"elsewhere too", fmt.Errorf("ask: %w", &chain.Error{Class: chain.Invalid, Err: errors.New("no number")}), false, true},
		{"unsure", errUnsure, true, true},
		{"unsure elsewhere", errUnsure, false, false},
		{"another chain", &store.IdentityError{}, true, false},
		{"no history", errors.New("the node has blocks from 7 on"), true, false},
	} {
		if got := passes(tt.err, chain.Identity{Loopback: tt.loopback}); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
