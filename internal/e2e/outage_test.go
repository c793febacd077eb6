//go:build e2e && unix

package e2e

import (
	"flag"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
)

var away = flag.Duration("away", 20*time.Second, "how long nodes are down, and answer for another chain")

// A node that is away is no reason to record a block as missing, however long
// it is away; once it is back all is there within seconds, also what it has made
// meanwhile.
func TestOutage(t *testing.T) {
	const bar = 5 * time.Second
	for name, stopped := range map[string]bool{"stopped": true, "cut off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := nodes.StartGethDev(t, 1)
			p := newProxy(t, n, thisMachine, *seed)
			g := runFor(t, *away+2*time.Minute, p.url, "--retry-base", "2s")
			transfers(t, n, 3, 1)
			g.follows(n)
			p.show(nil)
			if stopped {
				n.Stop()
			}
			time.Sleep(*away / 2)
			g.crash() // the program comes up while the node is away
			time.Sleep(*away / 2)
			if stopped {
				n.Restart()
			}
			p.show(n)
			behind := must(t, n, "eth_blockNumber")
			took := g.complete(n)
			t.Logf("away for %v, caught up with block %s %v after its return", *away, behind, took.Round(time.Millisecond))
			if took > bar {
				t.Errorf("longer than %v", bar)
			}
			transfers(t, n, 2, 1)
			g.follows(n)
			if rows := g.journal("failed"); rows != nil {
				t.Errorf("failed: %+v", rows)
			}
			g.stop()
		})
	}
}

// An endpoint elsewhere that answers for another chain for a while changes
// nothing: neither with another id, nor with another genesis under the same id.
func TestAnotherChainForAWhile(t *testing.T) {
	for name, args := range map[string][]string{
		"id":      {"--chain-id", "4243"},
		"genesis": {"--timestamp", "1700000000"},
		"lower":   nil, // the same genesis and nothing above
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same := []string{"--timestamp", "1600000000"}
			ours := nodes.StartAnvil(t, same...)
			if args == nil {
				args = same
			}
			other := nodes.StartAnvil(t, args...)
			transfers(t, ours, 6, 1)
			if name != "lower" {
				transfers(t, other, 9, 1)
			}
			p := newProxy(t, ours, anotherMachine(t), *seed)
			g := runFor(t, *away+2*time.Minute, p.url, "--rps", "-1")
			g.follows(ours)
			g.crash()
			g.says("msg=following", 2)
			before := len(g.journal(""))
			p.show(other)
			time.Sleep(*away)
			if rows := g.journal("")[before:]; len(rows) > 0 {
				t.Errorf("meanwhile: %+v", rows)
			}
			p.show(ours)
			transfers(t, ours, 3, 1)
			took := g.complete(ours)
			t.Logf("the file's chain was followed again after %v", took.Round(time.Millisecond))
			g.follows(ours)
			for _, row := range g.journal("") {
				if row.Kind != "blocks" {
					t.Errorf("journal: %+v", row)
				}
			}
			if aside := g.aside(); aside != nil {
				t.Errorf("put aside: %v", aside)
			}
			g.stop()
		})
	}
}
