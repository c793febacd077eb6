package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

func TestFollowsTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(250))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 200 })
		b.start()
		after(10 * time.Second)
		for head := uint64(201); head <= 250; head++ {
			b.fake.Do(func(n *nodetest.Node) { n.Head = head })
			after(time.Second)
			if got := b.indexer.Status(); got.Stored != head {
				t.Fatalf("stored %d a second after block %d", got.Stored, head)
			}
		}
		b.equals(c)
	})
}

func TestFailedBlocksAreRecordedAndHealed(t *testing.T) {
	for _, tt := range []struct {
		kind  nodetest.Kind
		class chain.Class
	}{
		{nodetest.RPCError, chain.BlockError},
		{nodetest.NullBlock, chain.NotYet},
		{nodetest.NullReceipts, chain.NotYet},
		{nodetest.EmptyReceipts, chain.Invalid},
		{nodetest.WrongRoot, chain.Invalid},
		{nodetest.WrongReceipts, chain.Invalid},
		{nodetest.WrongHash, chain.Invalid},
		{nodetest.RaceReceipts, chain.Invalid},
		{nodetest.TruncatedBody, chain.BlockError},
		{nodetest.Hang, chain.Timeout},
		{nodetest.NoAnswer, chain.BlockError},
		{nodetest.HTML, chain.BlockError},
	} {
		t.Run(string(tt.class)+fmt.Sprint(tt.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(40))
				b := newBench(t, c)
				b.fake.Do(func(n *nodetest.Node) {
					n.Faults[7] = &nodetest.Fault{Kind: tt.kind}
					n.Faults[40] = &nodetest.Fault{Kind: tt.kind}
				})
				b.start()
				after(2 * time.Minute) // a block that hangs takes its time
				b.equals(c, 7, 40)
				row, err := b.store.Failed(t.Context(), 7)
				b.must(err)
				if row.Class != tt.class || row.RetryCount < 2 {
					t.Errorf("row %+v, want class %s", row, tt.class)
				}
				b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
				after(10 * time.Minute)
				b.equals(c)
			})
		})
	}
}

// However an endpoint fails as a whole, no block is to blame: it is asked from
// time to time, and when it is back all goes on at once, or after the pause that
// it asked for.
func TestOutageLeavesNoRows(t *testing.T) {
	status := func(code int, after string) *nodetest.Fault {
		return &nodetest.Fault{Kind: nodetest.Status, Code: code, RetryAfter: after}
	}
	for _, tt := range []struct {
		name  string
		fault *nodetest.Fault // nil: it is down
		late  time.Duration   // on this machine
		far   time.Duration   // elsewhere
	}{
		{"down", nil, 5 * time.Second, 40 * time.Second},
		{"silent", &nodetest.Fault{Kind: nodetest.Hang}, 15 * time.Second, time.Minute},
		{"reset", &nodetest.Fault{Kind: nodetest.Reset}, 5 * time.Second, 40 * time.Second},
		{"truncated", &nodetest.Fault{Kind: nodetest.TruncatedBody}, 5 * time.Second, 40 * time.Second},
		{"page", &nodetest.Fault{Kind: nodetest.HTML}, 5 * time.Second, 40 * time.Second},
		{"500", status(500, ""), 5 * time.Second, 40 * time.Second},
		{"401", status(401, ""), 5 * time.Second, 40 * time.Second},
		{"402", status(402, ""), 5 * time.Second, 40 * time.Second},
		{"403", status(403, ""), 5 * time.Second, 40 * time.Second},
		{"404", status(404, ""), 5 * time.Second, 40 * time.Second},
		{"429", status(429, ""), 3 * time.Minute, 3 * time.Minute}, // the rate rises slowly
		{"429 for 5 minutes", status(429, "300"), 6 * time.Minute, 6 * time.Minute},
	} {
		for _, url := range []string{near, away} {
			t.Run(tt.name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := devchain.Build(spec(60))
					b := newBench(t, c)
					b.url = url
					b.fake.Do(func(n *nodetest.Node) { n.Head = 20 })
					b.start()
					after(time.Minute)
					asked := 0
					b.fake.Do(func(n *nodetest.Node) {
						n.Every, n.Down, n.NoWebSocket = tt.fault, tt.fault == nil, true
						n.Head, asked = 60, n.Posts
					})
					after(10 * time.Minute)
					b.runs()
					b.fake.Do(func(n *nodetest.Node) {
						if asked = n.Posts - asked; url == away && asked > 400 {
							t.Errorf("asked %d times meanwhile", asked)
						}
						n.Every, n.Down = nil, false
					})
					after(map[string]time.Duration{near: tt.late, away: tt.far}[url])
					b.equals(c)
					for _, row := range b.journal() {
						if row[:6] == "failed" {
							t.Errorf("journal has %q", row)
						}
					}
				})
			})
		}
	}
}

func TestStopAndGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(300))
		b := newBench(t, c)
		for head := uint64(0); head <= 300; head += 25 {
			b.fake.Do(func(n *nodetest.Node) {
				n.Head = head
				n.Faults[head+3] = &nodetest.Fault{Kind: nodetest.NullBlock, Times: 10}
			})
			b.start()
			after(700 * time.Millisecond)
			if err := b.stop(); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		b.start()
		after(2 * time.Hour) // a block that failed ten times takes its time
		b.equals(c)
	})
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(60))
		b := newBench(t, c)
		b.until = new(uint64(42))
		b.start()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		b.equals(devchain.Build(spec(42)))
		b.ended <- nil
	})
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		level  chain.Level
		stored bool
	}{{chain.Auto, false}, {chain.Strict, false}, {chain.Warn, true}, {chain.Off, true}} {
		t.Run(string(tt.level), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, devchain.Build(spec(10)))
				b.level, b.wrong = tt.level, tt.level == chain.Off
				b.fake.Do(func(n *nodetest.Node) { n.Faults[10] = &nodetest.Fault{Kind: nodetest.WrongRoot} })
				b.start()
				after(time.Minute)
				block, err := b.store.Block(t.Context(), 10)
				if (err == nil) != tt.stored {
					t.Fatalf("stored: %v", err)
				}
				if err == nil && tt.level == chain.Warn && block.Verdict.Failed&chain.ReceiptsRoot == 0 {
					t.Errorf("verdict %+v does not say that the receipts root is wrong", block.Verdict)
				}
			})
		})
	}
}

// The machine dies at a point where the program has done one thing and not yet
// the next: what is on the disk then is a state that heals.
func TestCrashHeals(t *testing.T) {
	for _, point := range []string{"fetched", "committed"} {
		t.Run(point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(60))
				b := newBench(t, c)
				b.fake.Do(func(n *nodetest.Node) {
					n.Faults[7] = &nodetest.Fault{Kind: nodetest.RPCError, Times: 6}
					n.Faults[33] = &nodetest.Fault{Kind: nodetest.NullReceipts, Times: 9}
				})
				var copies []string
				var once sync.Mutex
				copyFile := func() {
					once.Lock()
					defer once.Unlock()
					if len(copies) < 8 {
						copies = append(copies, b.copy(len(copies)))
					}
				}
				if point == "fetched" {
					b.fetched = copyFile
				} else {
					b.committed = copyFile
				}
				b.start()
				after(time.Minute)
				_ = b.stop()
				b.fetched, b.committed = func() {}, func() {}
				if len(copies) == 0 {
					t.Fatal("the point was never reached")
				}
				for _, path := range copies {
					b.path = path
					b.start()
					after(10 * time.Minute)
					b.equals(c)
					_ = b.stop()
				}
			})
		})
	}
}

// What can't be proved may have been spoiled on its way: it is stored once it was
// told twice.
func TestSpoiledBeyondProof(t *testing.T) {
	for _, tt := range []struct {
		level chain.Level
		kind  nodetest.Kind
	}{{chain.Auto, nodetest.WrongType}, {chain.Warn, nodetest.WrongType}, {chain.Warn, nodetest.FlippedDigit}, {chain.Warn, nodetest.MissingField}} {
		t.Run(fmt.Sprint(tt.level, " ", tt.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(40))
				b := newBench(t, c)
				b.level = tt.level
				b.fake.Do(func(n *nodetest.Node) {
					for number := uint64(3); number <= 40; number += 3 {
						n.Faults[number] = &nodetest.Fault{Kind: tt.kind, Seed: int(number), Times: 1 + int(number)%2}
					}
				})
				b.start()
				after(time.Minute)
				b.equals(c)
			})
		})
	}
}

// The node is down when all that was asked for is there already.
func TestUntilWithoutTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.start()
		after(5 * time.Second)
		b.must(ignore(b.stop()))
		b.until = new(uint64(30))
		b.through = func(s source) indexer.Source {
			b.fake.Do(func(n *nodetest.Node) { n.Down = true })
			return s
		}
		b.start()
		after(20 * time.Second)
		b.endsWith(nil)
		b.equals(c)
	})
}

// With CommitEvery new blocks come into the file together, also where one of them is
// missing, and all that is there when the chain was caught up with.
func TestCommitsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(260))
		b := newBench(t, c)
		b.every = 10 * time.Second
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 200
			n.Faults[223] = &nodetest.Fault{Kind: nodetest.RPCError}
		})
		b.start()
		after(5 * time.Second)
		if got := b.indexer.Status(); got.Stored != 200 {
			t.Fatalf("stored %d of 200", got.Stored)
		}
		before, err := b.store.JournalEnd(t.Context())
		b.must(err)
		for head := uint64(201); head <= 260; head++ {
			b.fake.Do(func(n *nodetest.Node) { n.Head = head })
			after(time.Second)
			if got := b.indexer.Status(); got.Stored+12 < head {
				t.Fatalf("stored %d after block %d", got.Stored, head)
			}
		}
		rows, err := b.store.JournalAfter(t.Context(), before, 100)
		b.must(err)
		commits := 0
		for _, r := range rows {
			if r.Kind == "blocks" {
				commits++
			}
		}
		if commits < 5 || commits > 9 {
			t.Errorf("60 blocks came in %d commits: %+v", commits, rows)
		}
		b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
		after(10 * time.Minute)
		b.equals(c)
	})
}
