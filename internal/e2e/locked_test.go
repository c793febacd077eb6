//go:build e2e && unix

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"gapless/internal/e2e/nodes"
)

// The sqlite3 shell holds the write lock for longer than SQLite waits, as whoever
// edits a file does, at a start too: the program waits, and goes on by itself.
func TestShellHoldsLock(t *testing.T) {
	t.Parallel()
	n := nodes.StartGethDev(t, 1)
	g := run(t, n.HTTP)
	g.follows(n)
	release := g.lock()
	g.says("indexing pauses until the file can be written", 1)
	release()
	g.follows(n)
	release = g.lock()
	g.crash()
	g.says("indexing pauses until the file can be written", 2)
	release()
	g.follows(n)
	g.shell("VACUUM; CREATE INDEX of_mine ON blocks (miner)")
	g.follows(n)
	if rows := g.journal("failed"); rows != nil {
		t.Errorf("failed: %+v", rows)
	}
	g.stop()
}

// lock has the sqlite3 shell hold the write lock until release is called.
func (g *gapless) lock() (release func()) {
	g.t.Helper()
	c := exec.CommandContext(g.ctx, "sqlite3", "-cmd", ".timeout 20000", g.db)
	in, err := c.StdinPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		g.t.Fatal(err)
	}
	fmt.Fprintln(in, "BEGIN IMMEDIATE; SELECT 'held';")
	if _, err := io.ReadFull(out, make([]byte, len("held\n"))); err != nil {
		g.t.Fatal(err)
	}
	return func() {
		g.t.Helper()
		fmt.Fprintln(in, "ROLLBACK;")
		if err := in.Close(); err != nil {
			g.t.Error(err)
		}
		if err := c.Wait(); err != nil {
			g.t.Error(err)
		}
	}
}

// shell has the sqlite3 shell run statements on the file.
func (g *gapless) shell(statements string) {
	g.t.Helper()
	c := exec.CommandContext(g.ctx, "sqlite3", "-cmd", ".timeout 20000", g.db, statements)
	if said, err := c.CombinedOutput(); err != nil {
		g.t.Errorf("%s: %v: %s", strings.Fields(statements)[0], err, said)
	}
}
