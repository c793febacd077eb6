package indexer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// The program was away for longer than the node keeps blocks: what is kept is
// indexed above the file's tip, and the rest is missing.
func TestTipIsPruned(t *testing.T) {
	for _, way := range []string{"error 4444", "null"} {
		for _, url := range []string{near, away} {
			t.Run(way+" of "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, devchain.Build(spec(20)))
					b.url = url
					b.start()
					after(20 * time.Second)
					b.must(ignore(b.stop()))
					c := devchain.Build(spec(240))
					b.fake.Do(func(n *nodetest.Node) {
						n.Chain, n.Head, n.Lowest = c, 200, 31
						if way == "null" {
							n.Lowest = 0
							n.FaultFunc = func(number uint64) *nodetest.Fault {
								if number > 0 && number < 31 {
									return &nodetest.Fault{Kind: nodetest.NullBlock}
								}
								return nil
							}
						}
					})
					b.start()
					after(30 * time.Second)
					b.fake.Do(func(n *nodetest.Node) { n.Head = 240 })
					after(2 * time.Minute)
					b.runs()
					b.equals(c, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
					b.fake.Do(func(n *nodetest.Node) { n.Lowest, n.FaultFunc = 0, nil })
					after(80 * time.Minute)
					b.equals(c)
				})
			})
		}
	}
}

// After a start the node can't answer for the file's tip alone: that holds up
// nothing.
func TestTipCantBeRecognized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(40))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 30 })
		b.start()
		after(5 * time.Second)
		b.must(ignore(b.stop()))
		b.fake.Do(func(n *nodetest.Node) { n.Head, n.Faults[30] = 40, &nodetest.Fault{Kind: nodetest.RPCError} })
		b.start()
		after(10 * time.Second)
		b.runs()
		b.equals(c)
	})
}

// While the leader keeps no old blocks, another endpoint gives those of another
// chain: they do not come in above the file's tip.
func TestTipIsPrunedAndAnotherNodeIsOfAnotherChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(240))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 20 })
		b.start()
		after(20 * time.Second)
		b.must(ignore(b.stop()))
		b.other = nodetest.New(devchain.Build(forked(240, 10)))
		b.transport = nil
		b.fake.Do(func(n *nodetest.Node) { n.Head, n.Lowest = 240, 31 })
		b.start()
		after(3 * time.Hour)
		b.runs()
		b.equals(c, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
	})
}

// The tip's header can't be had, and the block above it not whole: the tip stays.
func TestTipIsNullAndNextFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(40))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 20 })
		b.start()
		after(5 * time.Second)
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 40
			n.Faults[20], n.Faults[21] = &nodetest.Fault{Kind: nodetest.NullBlock}, &nodetest.Fault{Kind: nodetest.NullReceipts}
		})
		after(2 * time.Minute)
		b.runs()
		b.equals(c, 21)
	})
}
