package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// A bench is the program without its commands: a fake node behind the real
// client, the real store, indexer and gap filling, wired as in package command.
type bench struct {
	t     *testing.T
	fake  *nodetest.Node
	path  string
	level chain.Level
	until *uint64
	from  uint64 // the file's first block
	url   string
	wrong bool // the file is meant to have wrong blocks
	alone bool // the node makes its chain by itself
	fixed bool // the source never changes

	through   func(source) indexer.Source // nil: as it is
	room      func() error
	recovered func()
	fetched   func() // called after each fetch, before its blocks are committed
	committed func() // called after each commit of a failure, before anyone is told

	transport http.RoundTripper // in the place of fake

	store   *store.Store
	indexer *indexer.Indexer
	worker  *gapfill.Worker
	stop    func() error // ends the run and closes the store
	ended   chan error   // what the run ended with
}

func newBench(t *testing.T, c *recorded.Chain) *bench {
	return &bench{
		t: t, fake: nodetest.New(c), path: filepath.Join(t.TempDir(), "gapless.db"), url: "http://127.0.0.1:8545",
		fetched: func() {}, committed: func() {},
	}
}

// start opens the file and runs until stop is called or the test ends.
func (b *bench) start() {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	if b.transport == nil {
		b.transport = b.fake
	}
	n, err := node.New(node.Options{URLs: []string{b.url}, Transport: b.transport})
	b.must(err)
	id, err := n.Identity(ctx)
	b.must(err)
	b.store, err = store.Open(ctx, b.path)
	b.must(err)
	b.must(b.store.Identify(ctx, store.Identity{ChainID: id.ChainID, Genesis: id.Genesis.Hash, Start: b.from, Client: id.Client}))
	b.wire(ctx, n, id)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- b.indexer.Run(ctx) }()
	go func() { ended <- b.worker.Run(ctx) }()
	b.ended = ended
	b.stop = func() error {
		cancel()
		err := errors.Join(<-ended, <-ended)
		b.stop = func() error { return nil }
		b.check()
		return errors.Join(err, b.store.Close(), n.Close())
	}
	b.t.Cleanup(func() { _ = b.stop() })
}

// wire introduces the parts to each other.
func (b *bench) wire(ctx context.Context, n *node.Node, id chain.Identity) {
	log := slog.New(slog.DiscardHandler)
	backoff := gapfill.Backoff{Base: 2 * time.Second}
	options := indexer.Options{
		Level: b.level, Until: b.until, Loopback: id.Loopback, Alone: b.alone, Delay: backoff.Delay,
		Failed: func(f ...*chain.Failure) {
			b.committed()
			b.worker.Schedule(f...)
		},
		Rewound: func(ancestor uint64) { b.worker.Rewound(ancestor) },
		Room:    b.room, Recovered: b.recovered, Fixed: b.fixed,
	}
	from := indexer.Source(source{n, b})
	if b.through != nil {
		from = b.through(source{n, b})
	}
	b.indexer = indexer.New(from, b.store, options, log, nil)
	var err error
	b.worker, err = gapfill.New(ctx, b.store, backoff, b.indexer.Index, n.Await, log, nil)
	b.must(err)
	b.worker.Room = b.room
}

// A source is the node's client with a hook behind each fetch.
type source struct {
	*node.Node
	bench *bench
}

func (s source) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	results, err := s.Node.Blocks(ctx, numbers, most)
	s.bench.fetched()
	return results, err
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// check proves all promises of the file.
func (b *bench) check() {
	b.t.Helper()
	var faults []store.Fault
	checker := store.Checker{Fault: func(f store.Fault) { faults = append(faults, f) }}
	if _, err := checker.Check(context.WithoutCancel(b.t.Context()), b.store.Reader); err != nil {
		b.t.Error(err)
	}
	if (len(faults) > 0) != b.wrong {
		b.t.Errorf("faults of the file: %v", faults)
	}
}

// after lets time pass, and the program do its work.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// equals compares the stored chain with what the node serves, block by block.
func (b *bench) equals(c *recorded.Chain, missing ...uint64) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	next, err := b.store.Next(ctx)
	b.must(err)
	if want := c.Last() + 1; next != want {
		b.t.Errorf("next block is %d, want %d", next, want)
	}
	var gaps []uint64
	for i := range c.Blocks {
		want, err := c.Blocks[i].Decode()
		b.must(err)
		got, err := b.store.Block(ctx, want.Number)
		if errors.Is(err, store.ErrNotFound) {
			gaps = append(gaps, want.Number)
			continue
		}
		b.must(err)
		if got.Hash != want.Hash || string(got.AppendReceipts(nil)) != string(want.AppendReceipts(nil)) {
			b.t.Errorf("block %d is %s, want %s", want.Number, got.Hash, want.Hash)
		}
	}
	if diff := cmp.Diff(missing, gaps); diff != "" {
		b.t.Errorf("missing blocks (-want +got):\n%s", diff)
	}
}

// journal gives the journal's rows as text.
func (b *bench) journal() (rows []string) {
	b.t.Helper()
	all, err := b.store.JournalAfter(context.WithoutCancel(b.t.Context()), 0, 1000)
	b.must(err)
	for _, r := range all {
		rows = append(rows, fmt.Sprintf("%s %d-%d", r.Kind, r.First, r.Last))
	}
	return rows
}

func spec(blocks int) devchain.Spec { return devchain.Spec{Blocks: blocks, Transactions: 2, Logs: 1} }

func forked(blocks int, at uint64) devchain.Spec {
	s := spec(blocks)
	s.Fork, s.Salt = at, "other"
	return s
}

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
		{nodetest.Hang, chain.BlockError},
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

func TestOutageLeavesNoRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(60))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 20 })
		b.start()
		after(5 * time.Second)
		b.fake.Do(func(n *nodetest.Node) { n.Down = true })
		after(10 * time.Minute)
		b.fake.Do(func(n *nodetest.Node) { n.Down, n.Head = false, 60 })
		after(5 * time.Second)
		b.equals(c)
		for _, row := range b.journal() {
			if row[:6] == "failed" {
				t.Errorf("journal has %q", row)
			}
		}
	})
}

func TestReorg(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fork  uint64 // first block that differs
		old   int    // head of the old chain
		new   int    // head of the new
		fails []uint64
		url   string
	}{
		{name: "depth 1", fork: 30, old: 30, new: 31},
		{name: "same height", fork: 30, old: 30, new: 30},
		{name: "deep", fork: 3, old: 180, new: 181},
		{name: "to a shorter chain", fork: 20, old: 30, new: 25},
		{name: "much longer", fork: 20, old: 30, new: 300},
		{name: "gap below the fork", fork: 20, old: 30, new: 31, fails: []uint64{15}},
		{name: "gap at the fork", fork: 20, old: 30, new: 31, fails: []uint64{20}},
		{name: "gap above the fork", fork: 20, old: 30, new: 31, fails: []uint64{25}},
		{name: "gap at the tip", fork: 20, old: 30, new: 31, fails: []uint64{28, 29, 30}},
		{name: "gap around the fork", fork: 20, old: 30, new: 31, fails: []uint64{18, 19, 20, 21}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before, now := devchain.Build(spec(tt.old)), devchain.Build(forked(tt.new, tt.fork))
				b := newBench(t, before)
				b.fake.Do(func(n *nodetest.Node) {
					for _, number := range tt.fails {
						n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
					}
				})
				b.start()
				after(10 * time.Second)
				b.equals(before, tt.fails...)
				b.fake.Do(func(n *nodetest.Node) {
					n.Chain, n.Head = now, now.Last()
					clear(n.Faults)
				})
				after(20 * time.Second)
				b.equalsOrMissing(now)
				after(time.Minute)
				b.equals(now)
			})
		})
	}
}

// equalsOrMissing compares what is stored, leaving open what is missing.
func (b *bench) equalsOrMissing(c *recorded.Chain) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context())
	for i := range c.Blocks {
		got, err := b.store.Block(ctx, c.Blocks[i].Number)
		if err == nil && got.Hash != c.Blocks[i].Hash {
			b.t.Errorf("block %d is %s, want %s", got.Number, got.Hash, c.Blocks[i].Hash)
		}
	}
}

func TestRevert(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		wait      time.Duration
	}{
		{"loopback", "http://127.0.0.1:8545", 3 * time.Second},
		{"elsewhere", "http://node.example", 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := devchain.Build(spec(30))
				b := newBench(t, c)
				b.url = tt.url
				b.start()
				after(10 * time.Second)
				b.equals(c)
				lower := devchain.Build(spec(22))
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 22 })
				after(tt.wait)
				b.equals(lower)
				again := devchain.Build(forked(24, 23))
				b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = again, 24 })
				after(30 * time.Second)
				b.equals(again)
			})
		})
	}
}

// A development node that is lower after a start has reverted while we were
// away: it has nobody to be behind of.
func TestRevertWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(40)))
		b.alone = true
		b.start()
		after(5 * time.Second)
		_ = b.stop()
		lower := devchain.Build(spec(35))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = lower, 35 })
		b.start()
		after(5 * time.Second)
		b.equals(lower)
	})
}

// A node that never showed us our tip is behind; it has not reverted.
func TestNodeBehindChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(30))
		b := newBench(t, c)
		b.start()
		after(10 * time.Second)
		_ = b.stop()
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(spec(25)), 25 })
		b.start()
		after(5 * time.Minute)
		b.equals(c)
	})
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
		after(10 * time.Minute)
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

func TestAnotherGenesisEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(30)))
		b.start()
		after(5 * time.Second)
		other := devchain.Build(forked(40, 0))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = other, 40 })
		after(5 * time.Second)
		err := <-b.ended
		if !errors.Is(err, indexer.ErrReset) {
			t.Errorf("ended with %v", err)
		}
		b.ended <- err
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

// What is wrong in a source that never changes ends the run, and is not recorded
// as missing; what the source does not have is.
func TestFixedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(80)))
		b.fixed, b.until = true, new(uint64(80))
		b.fake.Do(func(n *nodetest.Node) {
			n.Faults[3] = &nodetest.Fault{Kind: nodetest.RPCError, Code: 4444}
			n.Faults[75] = &nodetest.Fault{Kind: nodetest.WrongRoot}
		})
		b.start()
		err := <-b.ended
		wrong, ok := errors.AsType[*indexer.WrongError](err)
		if !ok || wrong.Number != 75 {
			t.Errorf("ended with %v", err)
		}
		rows, err := b.store.FailedFrom(t.Context(), 0, 10)
		if err != nil || len(rows) != 1 || rows[0].Number != 3 || rows[0].RetryCount != 1 {
			t.Errorf("missing are %+v, %v", rows, err)
		}
		b.ended <- nil
	})
}

// A source that never changes and has another chain than the file leads to no
// reorg.
func TestFixedSourceOfAnotherFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := devchain.Build(spec(30))
		b := newBench(t, ours)
		b.until = new(uint64(30))
		b.start()
		b.must(<-b.ended)
		b.ended <- nil
		b.must(ignore(b.stop()))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(forked(40, 20)), 40 })
		b.fixed, b.until = true, new(uint64(40))
		b.start()
		if err := <-b.ended; !errors.As(err, new(*store.ForkError)) {
			t.Errorf("ended with %v", err)
		}
		b.equals(ours)
		b.ended <- nil
	})
}

// ignore leaves out that a run was stopped.
func ignore(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
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

// copy copies the database with its -wal as they are on the disk.
func (b *bench) copy(i int) string {
	to := filepath.Join(b.t.TempDir(), fmt.Sprintf("copy%d.db", i))
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(b.path + suffix)
		if err != nil {
			b.t.Error(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			b.t.Error(err)
		}
	}
	return to
}
