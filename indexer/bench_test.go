package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

const (
	near = "http://127.0.0.1:8545"
	away = "http://node.example"
)

// A bench is the program without its commands: a fake node behind the real
// client, the real store, indexer and gap filling, wired as in package command.
type bench struct {
	t        *testing.T
	fake     *nodetest.Node
	path     string
	level    chain.Level
	until    *uint64
	latest   bool   // until is the node's head
	onRevert string // as indexer.Options has it
	from     uint64 // the file's first block
	url      string
	other    *nodetest.Node // at otherURL, if there are two
	wrong    bool           // the file is meant to have wrong blocks
	fixed    bool           // the source never changes
	every    time.Duration  // new blocks are committed together
	daily    int            // calls that a UTC day has; 0: no limit

	through   func(source) indexer.Source // nil: as it is
	room      func() error
	recovered func()
	fetched   func() // called after each fetch, before its blocks are committed
	committed func() // called after each commit of a failure, before anyone is told

	transport http.RoundTripper // in the place of fake

	store   *store.Store
	node    *node.Node
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
	n, err := node.New(b.nodes())
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

// nodes says where the nodes are.
func (b *bench) nodes() node.Options {
	if b.transport == nil {
		b.transport = b.fake
	}
	if b.other == nil {
		return node.Options{URLs: []string{b.url}, Transport: b.transport, DailyCalls: b.daily}
	}
	return node.Options{
		URLs:      []string{b.url, otherURL(b.url)},
		Transport: nodetest.Hosts{strings.TrimPrefix(b.url, "http://"): b.fake, strings.TrimPrefix(otherURL(b.url), "http://"): b.other},
	}
}

// otherURL is that of the second node, which is on this machine if the first is.
func otherURL(url string) string {
	if url == near {
		return "http://127.0.0.1:9545"
	}
	return "http://other.example"
}

// wire introduces the parts to each other.
func (b *bench) wire(ctx context.Context, n *node.Node, id chain.Identity) {
	b.node = n
	log := slog.New(slog.DiscardHandler)
	backoff := gapfill.Backoff{Base: 2 * time.Second}
	options := indexer.Options{
		Level: b.level, CommitEvery: b.every, Until: b.until, Latest: b.latest, OnRevert: b.onRevert, Client: id.Client, Loopback: id.Loopback, Delay: backoff.Delay, Sparing: n.PollEvery(),
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

// endsWith waits for the run's end, whose error must be one.
func (b *bench) endsWith(want error) {
	b.t.Helper()
	select {
	case err := <-b.ended:
		if !errors.Is(err, want) {
			b.t.Errorf("ended with %v, want %v", err, want)
		}
		b.ended <- err
	default:
		b.t.Error("has not ended")
	}
}

func (b *bench) runs() {
	b.t.Helper()
	select {
	case err := <-b.ended:
		b.t.Errorf("ended with %v", err)
		b.ended <- err
	default:
	}
}

func numbersBelow(end uint64) (numbers []uint64) {
	for n := range end {
		numbers = append(numbers, n)
	}
	return numbers
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
