//go:build e2e && unix

package e2e

import (
	"fmt"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
)

// replaces waits until the file ends with the node's head, and fails the test
// if that took too long for the depth.
func (g *gapless) replaces(n *nodes.Node, how string, depth int) {
	g.t.Helper()
	bar := 5 * time.Second // several times what it takes
	if depth >= 1000 {
		bar = 40 * time.Second
	}
	g.replacesWithin(bar, n, how, depth)
}

// reverts is replaces for a chain that only became shorter, of which nobody
// tells: it is polled for, and believed when it was told for half a second.
func (g *gapless) reverts(n *nodes.Node, how string, depth int) {
	g.t.Helper()
	g.replacesWithin(5*time.Second, n, how, depth)
}

func (g *gapless) replacesWithin(bar time.Duration, n *nodes.Node, how string, depth int) {
	g.t.Helper()
	took := g.complete(n)
	g.t.Logf("%s of depth %d: the stored chain is the node's after %v", how, depth, took.Round(time.Millisecond))
	if took > bar {
		g.t.Errorf("longer than %v", bar)
	}
}

// Reorgs of any depth: the file has the new chain within seconds.
func TestReorgs(t *testing.T) {
	n := nodes.StartAnvil(t)
	must(t, n, "anvil_mine", "0x898") // 2,200 blocks
	g := run(t, n.HTTP)
	transfers(t, n, 5, 1)
	g.follows(n)
	depths := []int{1, 2, 64, 1000}
	for _, depth := range depths {
		must(t, n, "anvil_reorg", depth, []any{})
		g.replaces(n, "reorg", depth)
	}
	g.follows(n)
	for _, depth := range depths {
		must(t, n, "anvil_rollback", depth)
		must(t, n, "anvil_mine", fmt.Sprintf("%#x", depth+1))
		g.replaces(n, "rollback and as many blocks and one", depth)
	}
	g.follows(n)
	transfers(t, n, 2, 1)
	g.follows(n)
	for _, depth := range depths {
		must(t, n, "anvil_rollback", depth)
		g.reverts(n, "rollback", depth)
		must(t, n, "anvil_mine", "0x1")
	}
	g.follows(n)
	g.crash()
	must(t, n, "anvil_reorg", 40, []any{})
	g.replaces(n, "reorg at a start", 40)
	g.follows(n)
	if rows := g.journal("failed"); rows != nil {
		t.Errorf("failed: %+v", rows)
	}
	g.stop()
}

// A node of another branch takes the other's place, a thousand blocks of eleven
// transactions deep, and back again with the program killed in the middle.
func TestDeepReorgOfGeth(t *testing.T) {
	const blocks, fork = 2000, 1001
	genesis, rlp := loadChain(t, blocks, fork, "")
	one := nodes.StartGeth(t, genesis, rlp)
	_, rlp = loadChain(t, blocks+1, fork, "other")
	two := nodes.StartGeth(t, genesis, rlp)
	p := newProxy(t, one, thisMachine, *seed)
	g := run(t, p.url)
	t.Logf("complete after %v", g.complete(one).Round(time.Millisecond))
	p.show(two)
	g.replaces(two, "another branch", blocks-fork+1)
	g.follows(two)
	if rows := g.journal("reorg"); len(rows) != 1 || rows[0].First != fork {
		t.Errorf("journal: %+v", rows)
	}
	rows := g.journal("failed")
	if rows != nil {
		t.Errorf("failed: %+v", rows)
	}
	p.show(one) // lower, and other blocks
	for range 5 {
		time.Sleep(200 * time.Millisecond)
		g.crash()
	}
	g.replaces(one, "back again", blocks-fork+1)
	g.follows(one)
	g.stop()
}
