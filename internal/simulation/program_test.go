package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// A program is gapless without its commands, wired as the service does it, and
// the machine that it runs on.
type program struct {
	world    *world
	path     string // of the file
	urls     []string
	start    uint64
	options  indexer.Options
	backoff  gapfill.Backoff
	loopback bool
	log      *slog.Logger

	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex // guards what follows
	err     error      // what went wrong, first
	store   *store.Store
	worker  *gapfill.Worker
	fetched map[common.Hash]time.Time // when a block was last asked for that came
	rotated int                       // files put aside by this process

	machine
}

// newProgram draws how the program was started.
func newProgram(w *world, folder string, seed uint64, out *bytes.Buffer) *program {
	rng := w.rng
	p := &program{
		world: w, path: filepath.Join(folder, "file.db"), fetched: map[common.Hash]time.Time{},
		backoff: gapfill.Backoff{Base: []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, time.Minute}[rng.IntN(4)]},
	}
	p.machine.rng = random(seed, ofMachine)
	where := rng.IntN(3) // all here, all elsewhere, or both
	p.loopback = where == 0 || where == 2 && len(w.nodes) == 1
	for i := range w.nodes {
		host := "127.0.0.1"
		if where == 1 || where == 2 && i > 0 {
			host = "node.example"
		}
		p.urls = append(p.urls, fmt.Sprintf("http://%s:%d", host, 8545+10*i))
	}
	if rng.IntN(4) == 0 {
		p.start = uint64(1 + rng.IntN(4))
	}
	if rng.IntN(5) == 0 {
		p.options.Confirmations = uint64(1 + rng.IntN(3))
	}
	p.log = newLog(w, out)
	w.note("start", "%v, start block %d, confirmations %d, retry base %s, head %d",
		p.urls, p.start, p.options.Confirmations, p.backoff.Base, w.head)
	return p
}

func newLog(w *world, out *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(&synchronized{out: out}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.String("t", fmt.Sprintf("%.3f", a.Value.Time().Sub(w.began).Seconds()))
			}
			return a
		},
	}))
}

// A synchronized is a buffer for several writers.
type synchronized struct {
	mu  sync.Mutex // guards out
	out *bytes.Buffer
}

func (s *synchronized) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *traceFlag {
		_, _ = os.Stderr.Write(p)
	}
	return s.out.Write(p)
}

// fail keeps the first thing that went wrong.
func (p *program) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.err == nil {
		p.err = err
	}
}

func (p *program) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// parts gives what runs now, nil if nothing does.
func (p *program) parts() (*store.Store, *gapfill.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.store, p.worker
}

func (p *program) setParts(s *store.Store, w *gapfill.Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store, p.worker = s, w
}

// run runs the program until stop. Where it ends by itself somebody starts it
// again after a while, if it had a reason to end.
func (p *program) run() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan struct{})
	p.attach()
	go func() {
		defer close(p.ended)
		for ctx.Err() == nil && p.failure() == nil {
			p.judge(ctx, p.once(ctx))
			_ = pause.For(ctx, 10*time.Second)
		}
	}()
}

// stop ends the program as SIGTERM does, and waits.
func (p *program) stop() {
	p.cancel()
	<-p.ended
	p.detach()
}

// judge decides whether the program had a reason to end.
func (p *program) judge(ctx context.Context, err error) {
	_, foreign := errors.AsType[*store.IdentityError](err)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return
	case errors.Is(err, errRefused), errors.Is(err, errUnclear):
	case errors.Is(err, store.ErrFull) && p.pages.Load() > 0:
		p.world.counts.add("ended: disk full at the start")
		return
	case errors.Is(err, indexer.ErrFinality) && !p.world.honest():
	case errors.Is(err, indexer.ErrReset) && !p.loopback && !p.world.gone(p.path):
		p.fail(fmt.Errorf("the chain is still there, and the program says: %w", err))
	case errors.Is(err, indexer.ErrReset), foreign:
		if p.world.gone(p.path) {
			p.fail(moveAside(p.path, p.machine.rng))
		}
	default:
		p.fail(fmt.Errorf("the program ended: %w", err))
	}
	p.world.counts.add("ended: " + reason(err))
}

// reason sorts why the program ended.
func reason(err error) string {
	for _, known := range []error{errRefused, errUnclear, indexer.ErrFinality, indexer.ErrReset} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "another chain at the start"
}

// once opens everything and works until the end of ctx or an error.
func (p *program) once(ctx context.Context) (err error) {
	n, err := node.New(node.Options{URLs: p.urls, Transport: p.world, Logger: p.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	s, err := store.Open(ctx, p.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := &binder{p, n, s}
	if err := b.bind(ctx); err != nil {
		return err
	}
	return p.work(ctx, b)
}

// work introduces the indexer and the worker to each other and runs them.
func (p *program) work(ctx context.Context, b *binder) error {
	var w *gapfill.Worker
	o := p.options
	o.Loopback, o.Delay, o.Room = p.loopback, p.backoff.Delay, p.room
	o.Failed = func(f ...*chain.Failure) {
		p.point("failed")
		p.toldAfter(ctx, b.store, f)
		w.Schedule(f...)
	}
	o.Rewound = func(ancestor uint64) { p.point("rewound"); w.Rewound(ancestor) }
	o.Recovered = func() { w.RetryAll() }
	x := indexer.New(source{b.node, p}, b.store, o, p.log, nil)
	w, err := gapfill.New(ctx, b.store, p.backoff, x.Index, b.node.Await, p.log, nil)
	if err != nil {
		return err
	}
	w.Room = p.room
	p.setParts(b.store, w)
	defer p.setParts(nil, nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.index(ctx, b, x, w) })
	g.Go(func() error { return w.Run(ctx) })
	g.Go(func() error { return p.watch(ctx, b.store) })
	return g.Wait()
}

// index runs the indexer, with a new file where the chain was reset.
func (p *program) index(ctx context.Context, b *binder, x *indexer.Indexer, w *gapfill.Worker) error {
	for {
		err := x.Run(ctx)
		if !errors.Is(err, indexer.ErrReset) || !p.loopback {
			return err
		}
		if err := b.rotate(ctx); err != nil {
			return err
		}
		if err := b.bind(ctx); err != nil {
			return err
		}
		if err := w.Reload(ctx); err != nil {
			return err
		}
	}
}

// A source is the node's client with a point at which the machine may die.
type source struct {
	*node.Node
	program *program
}

func (s source) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	began := time.Now()
	results, err := s.Node.Blocks(ctx, numbers, most)
	s.program.saw(results, began)
	s.program.point("fetched")
	return results, err
}

// Reject is what the indexer looks for in a source of several endpoints.
func (s source) Reject(number uint64) { s.Node.Reject(number) }

// saw notes when blocks were asked for.
func (p *program) saw(results []chain.Result, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range results {
		if r.Block != nil && p.fetched[r.Block.Hash].Before(began) {
			p.fetched[r.Block.Hash] = began
		}
	}
}

func (p *program) askedAt(hash common.Hash) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetched[hash]
}
