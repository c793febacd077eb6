//go:build e2e && unix

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

// keeps makes sure that the program says that the node is behind, for so many
// times by now, and that nothing of the file goes, also over a kill.
func (g *gapless) keeps(last uint64, times int) {
	g.t.Helper()
	for i := range 2 {
		g.says("nothing is deleted", times+i)
		time.Sleep(1500 * time.Millisecond) // three times what a revert takes to be followed
		if err := g.has(last); err != nil {
			g.t.Errorf("not all is there up to block %d: %v", last, err)
		}
		if i == 0 {
			g.crash()
		}
	}
}

// A real geth whose data folder is wiped syncs again from its genesis on, in two
// steps: the file keeps all, and goes on when the chain does.
func TestGethIsWiped(t *testing.T) {
	t.Parallel()
	const blocks, half = 300, 120
	genesis, longer := loadChain(t, blocks+10, 1, "")
	whole, part := firstBlocks(t, longer, blocks), firstBlocks(t, longer, half)
	n := nodes.StartGeth(t, genesis, whole)
	g := run(t, n.HTTP)
	g.follows(n)
	n.Reload(genesis, "")
	g.keeps(blocks, 1)
	n.Reload(genesis, part)
	g.keeps(blocks, 2)
	n.Reload(genesis, longer)
	g.follows(n)
	for _, kind := range []string{"reorg", "reset", "failed"} {
		if rows := g.journal(kind); rows != nil {
			t.Errorf("%s: %+v", kind, rows)
		}
	}
	if aside := g.aside(); aside != nil {
		t.Errorf("put aside: %v", aside)
	}
	g.stop()
}

// firstBlocks makes a file of the first blocks of a file of RLP blocks.
func firstBlocks(t *testing.T, path string, blocks int) string {
	t.Helper()
	all, err := os.ReadFile(path)
	rest := all
	for range blocks {
		if err == nil {
			_, rest, err = rlp.SplitList(rest)
		}
	}
	cut := filepath.Join(t.TempDir(), "first.rlp")
	if err == nil {
		err = os.WriteFile(cut, all[:len(all)-len(rest)], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cut
}

// geth itself is set back, below what it had finalized too: nothing goes before
// it has another block in the place of a stored one.
func TestGethSetHead(t *testing.T) {
	t.Parallel()
	n := nodes.StartGethDev(t, 0)
	g := run(t, n.HTTP)
	for i := range 8 {
		transfers(t, n, 1, i)
		g.follows(n)
	}
	time.Sleep(time.Second) // the last one may not be mined yet, and a block may have two
	g.follows(n)
	head, _ := quantity(must(t, n, "eth_blockNumber"))
	must(t, n, "debug_setHead", "0x3")
	g.keeps(head, 1)
	transfers(t, n, 1, 100)
	g.replaces(n, "another block after debug_setHead", 5)
	transfers(t, n, 6, 200)
	g.follows(n)
	g.stop()
}

// run --until latest follows a revert before it ends, and ends with exit code 1
// where the node is behind the file.
func TestUntilLatestWithAShorterChain(t *testing.T) {
	t.Parallel()
	anvil, geth := nodes.StartAnvil(t), nodes.StartGethDev(t, 0)
	for _, tt := range []struct {
		name   string
		node   *nodes.Node
		revert func()
		code   int
	}{
		{"anvil", anvil, func() { must(t, anvil, "anvil_rollback", 4) }, 0},
		{"geth", geth, func() { must(t, geth, "debug_setHead", "0x1") }, 1},
	} {
		for i := range 6 {
			transfer(t, tt.node, 1+i)
			settle(t, tt.node) // geth puts what comes at once into one block
		}
		g := run(t, tt.node.HTTP, "--until", "latest")
		if code := g.wait(); code != 0 {
			t.Fatalf("%s: exit code %d", tt.name, code)
		}
		last := g.last()
		tt.revert()
		g.start()
		if code := g.wait(); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.name, code, tt.code)
		}
		if tt.code == 0 {
			g.follows(tt.node)
		} else if text := fmt.Sprintf("the node is at 1, this file at %d", last); !strings.Contains(g.log.String(), text) || g.last() != last {
			t.Errorf("%s: the file ends with %d, not %d, or the log is without %q", tt.name, g.last(), last, text)
		}
		g.verify()
	}
}

// last gives the number of the file's last block.
func (g *gapless) last() (last uint64) {
	g.t.Helper()
	if err := g.read(func(r *store.Reader) error {
		next, err := r.Next(g.ctx)
		last = next - 1
		return err
	}); err != nil {
		g.t.Fatal(err)
	}
	return last
}
