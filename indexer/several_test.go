package indexer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// twoNodes makes a bench with two nodes that serve the same chain, up to a head.
func twoNodes(t *testing.T, url string, blocks int, head uint64) *bench {
	c := devchain.Build(spec(blocks))
	b := newBench(t, c)
	b.url, b.other = url, nodetest.New(c)
	b.heads(head, head)
	return b
}

func (b *bench) heads(first, other uint64) {
	b.fake.Do(func(n *nodetest.Node) { n.Head = first })
	b.other.Do(func(n *nodetest.Node) { n.Head = other })
}

// When the first endpoint goes away, the other one is followed from wherever it
// is. If it is behind, that is no revert: it never showed what it does not have.
func TestFailover(t *testing.T) {
	for _, url := range []string{near, away} {
		for _, tt := range []struct {
			name  string
			other uint64 // head of the other one when it takes over, from 30
		}{{"at the same height", 30}, {"ahead", 35}, {"behind", 27}, {"far behind", 5}} {
			t.Run(tt.name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := twoNodes(t, url, 60, 30)
					b.start()
					after(30 * time.Second)
					b.heads(30, tt.other)
					b.fake.Do(func(n *nodetest.Node) { n.Down = true })
					after(10 * time.Minute)
					b.runs()
					if s := b.indexer.Status(); s.Stored != max(30, tt.other) {
						t.Errorf("stored %d", s.Stored)
					}
					b.heads(30, 40)
					after(2 * time.Minute)
					if s := b.indexer.Status(); s.Stored != 40 {
						t.Errorf("stored %d when it came on", s.Stored)
					}
					b.fake.Do(func(n *nodetest.Node) { n.Down = false })
					b.heads(60, 60)
					after(2 * time.Minute)
					b.equals(b.fake.Chain)
					for _, row := range b.journal() {
						if row[:6] != "blocks" {
							t.Errorf("journal has %q", row)
						}
					}
				})
			})
		}
	}
}

// Of two chains the first-listed endpoint's counts while it is well.
func TestEndpointsOnTwoForks(t *testing.T) {
	for _, url := range []string{near, away} {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := twoNodes(t, url, 40, 30)
				fork := devchain.Build(forked(40, 25))
				b.other.Do(func(n *nodetest.Node) { n.Chain = fork })
				b.start()
				after(time.Minute)
				b.heads(33, 35) // not so much more that the first one is behind
				after(time.Minute)
				b.runs()
				want := devchain.Build(spec(40))
				want.Blocks = want.Blocks[:b.indexer.Status().Stored+1]
				b.equals(want)
				b.fake.Do(func(n *nodetest.Node) { n.Down = true })
				after(5 * time.Minute)
				b.heads(40, 40)
				after(time.Minute)
				b.equals(fork)
				b.fake.Do(func(n *nodetest.Node) { n.Down = false })
				after(5 * time.Minute)
				b.runs()
				b.equals(b.fake.Chain)
			})
		})
	}
}
