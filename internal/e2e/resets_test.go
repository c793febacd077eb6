//go:build e2e && unix

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

// transfers makes a number of blocks with a transaction each.
func transfers(t *testing.T, n *nodes.Node, count, value int) {
	t.Helper()
	for i := range count {
		transfer(t, n, value+i)
	}
}

// anotherSecond waits until a node that is started now has another genesis than
// one of a second ago: they put the time in it.
func anotherSecond() { time.Sleep(1100 * time.Millisecond) }

// endsTidy ends the program and proves its file and those that it has put aside:
// so many, or one of several numbers, and nothing else is left.
func (g *gapless) endsTidy(rotated ...int) {
	g.t.Helper()
	if code := g.interrupt(); code != 0 {
		g.t.Errorf("exit code %d", code)
	}
	entries, err := os.ReadDir(filepath.Dir(g.db))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, e := range entries {
		isAside := strings.HasPrefix(e.Name(), "gapless-") && strings.HasSuffix(e.Name(), ".db")
		if !isAside && e.Name() != "gapless.db" && e.Name() != "gapless.db.lock" {
			g.t.Errorf("left behind: %s", e.Name())
		}
	}
	aside := g.aside()
	if !slices.Contains(rotated, len(aside)) {
		g.t.Errorf("put aside: %v, want %d", aside, rotated)
	}
	for _, db := range append(aside, g.db) {
		verify(g.t, db)
	}
}

// devnets are the development nodes that keep their chain in memory.
var devnets = map[string]func(*testing.T) *nodes.Node{
	"anvil":     func(t *testing.T) *nodes.Node { return nodes.StartAnvil(t) },
	"hardhat":   func(t *testing.T) *nodes.Node { return nodes.StartHardhat(t, "") },
	"hardhat 3": func(t *testing.T) *nodes.Node { return nodes.StartHardhat3(t) },
	"ganache":   func(t *testing.T) *nodes.Node { return nodes.StartGanache(t) },
}

// evm_revert takes blocks back: with none after it, with as many, with more,
// while the program is away, and down to the first block.
func TestReverts(t *testing.T) {
	for name, start := range devnets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t)
			g := run(t, n.HTTP)
			transfers(t, n, 5, 1)
			g.follows(n)
			for _, tt := range []struct{ lost, mined int }{{4, 0}, {4, 1}, {3, 3}, {1, 1}, {2, 6}, {1, 0}} {
				snapshot := must(t, n, "evm_snapshot")
				transfers(t, n, tt.lost, 10)
				g.follows(n)
				must(t, n, "evm_revert", snapshot)
				transfers(t, n, tt.mined, 20)
				g.follows(n)
			}
			snapshot := must(t, n, "evm_snapshot")
			transfers(t, n, 3, 10)
			g.follows(n)
			g.kill()
			must(t, n, "evm_revert", snapshot)
			g.start()
			g.follows(n)
			transfers(t, n, 2, 30)
			g.follows(n)
			g.stop()
			if aside := g.aside(); aside != nil {
				t.Errorf("put aside: %v", aside)
			}
		})
	}
}

// A revert to the genesis is a reset: what there was is kept.
func TestRevertToGenesis(t *testing.T) {
	t.Parallel()
	n := nodes.StartAnvil(t)
	snapshot := must(t, n, "evm_snapshot")
	g := run(t, n.HTTP)
	transfers(t, n, 4, 1)
	g.follows(n)
	must(t, n, "evm_revert", snapshot)
	g.follows(n)
	transfers(t, n, 2, 10)
	g.follows(n)
	g.endsTidy(1)
}

func TestAnvilReset(t *testing.T) {
	t.Parallel()
	n := nodes.StartAnvil(t)
	g := run(t, n.HTTP)
	for i := range 3 {
		transfers(t, n, 3+i, 1)
		g.follows(n)
		if i == 1 {
			g.kill()
		}
		anotherSecond()
		must(t, n, "anvil_reset")
		if i == 1 {
			g.start()
		}
		g.follows(n)
	}
	transfers(t, n, 2, 1)
	g.follows(n)
	g.stop()
}

// Nodes that are started again on their port while the program follows have
// another chain, which gets a new file.
func TestRestartsOnOnePort(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *nodes.Node{
		"hardhat": devnets["hardhat"], "ganache": devnets["ganache"],
		"geth": func(t *testing.T) *nodes.Node { return nodes.StartGethDev(t, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t)
			g := run(t, n.HTTP)
			for i := range 3 {
				transfers(t, n, 2, 1+i)
				g.follows(n)
				if i == 1 {
					g.kill() // the reset is noticed at the start
				}
				anotherSecond()
				n.Wipe()
				if i == 1 {
					g.start()
				}
			}
			transfers(t, n, 2, 1)
			g.follows(n)
			g.endsTidy(3)
		})
	}
}

// Forty restarts in a row, most of them faster than a reset is believed.
func TestFortyRestarts(t *testing.T) {
	t.Parallel()
	n := nodes.StartAnvil(t)
	g := runFor(t, 6*time.Minute, n.HTTP)
	for i := range 40 {
		transfers(t, n, 1+i%5, 1+i)
		switch {
		case i%10 == 0:
			g.follows(n)
		case i%7 == 0:
			g.crash()
		}
		anotherSecond()
		n.Restart()
	}
	transfers(t, n, 3, 1)
	g.follows(n)
	g.endsTidy(3, 4) // one more, if an older one has the most blocks
}

// A fork of a live chain by hardhat begins where it was forked, and is bound to
// that.
func TestHardhatFork(t *testing.T) {
	t.Parallel()
	live := nodes.StartAnvil(t)
	transfers(t, live, 8, 1)
	settings := fmt.Sprintf("{ forking: { url: '%s', blockNumber: 6 } }", live.HTTP)
	n := nodes.StartHardhat(t, settings)
	g := run(t, n.HTTP)
	transfers(t, n, 3, 1)
	g.follows(n)
	var block struct{ Hash string }
	if err := call(t.Context(), live, &block, "eth_getBlockByNumber", "0x6", false); err != nil {
		t.Fatal(err)
	}
	if err := g.read(func(r *store.Reader) error {
		id, err := r.Identity(t.Context())
		if err == nil && (id.Start != 6 || id.Fork == nil || id.Fork.Number != 6 || id.Fork.Hash.Hex() != block.Hash) {
			err = fmt.Errorf("identity %+v, fork %+v, not block 6, %s", id, id.Fork, block.Hash)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	g.crash()
	transfers(t, n, 2, 1)
	g.follows(n)
	g.stop()
}
