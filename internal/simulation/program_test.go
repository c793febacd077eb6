package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/store"
)

// A program is gapless without its commands, wired as the service does it, and
// the machine that it runs on.
type program struct {
	world    *world
	folder   string
	urls     []string
	start    uint64
	options  indexer.Options
	backoff  gapfill.Backoff
	loopback bool
	log      *slog.Logger

	full   atomic.Bool // the disk
	files  int
	path   string
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex // guards what follows
	err     error      // what went wrong, first
	store   *store.Store
	worker  *gapfill.Worker
	rotated []string
	crashAt string // the point at which the machine dies next, if any
	crashed string // the file as it was then
	resets  int
}

func (p *program) newPath() string {
	p.files++
	return filepath.Join(p.folder, fmt.Sprintf("file%d.db", p.files))
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

// run runs until ctx ends; a reset rotates the file.
func (p *program) run() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan error, 1)
	go func() {
		for ctx.Err() == nil && p.failure() == nil {
			err := p.once(ctx)
			var foreign *store.IdentityError
			switch {
			case ctx.Err() != nil && errors.Is(err, context.Canceled):
			case errors.Is(err, indexer.ErrReset), errors.As(err, &foreign) && foreign.File.ChainID == foreign.Node.ChainID:
				p.rotate()
			case foreign != nil: // exit 1; somebody starts it again
				sleep(ctx, 10*time.Second)
			default:
				p.fail(fmt.Errorf("the program ended: %w", err))
			}
		}
		p.ended <- nil
	}()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (p *program) rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets++
	p.rotated = append(p.rotated, p.path)
	p.path = p.newPath()
	p.world.count("resets followed")
}

// stop ends the program as SIGTERM does, and waits.
func (p *program) stop() {
	p.cancel()
	<-p.ended
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
	id, err := p.identity(ctx, n)
	if err != nil {
		return err
	}
	if err := s.Identify(ctx, id); err != nil {
		return err
	}
	return p.work(ctx, n, s)
}

// identity waits until a node says which chain it serves.
func (p *program) identity(ctx context.Context, n *node.Node) (store.Identity, error) {
	for {
		id, err := n.Identity(ctx)
		if err == nil && id.Genesis != nil && id.Genesis.Number == 0 && id.Genesis.Recompute() == nil {
			return store.Identity{ChainID: id.ChainID, Genesis: id.Genesis.Hash, Start: p.start}, nil
		}
		if ctx.Err() != nil {
			return store.Identity{}, context.Cause(ctx)
		}
		sleep(ctx, time.Second)
	}
}

func (p *program) work(ctx context.Context, n *node.Node, s *store.Store) error {
	var w *gapfill.Worker
	o := p.options
	o.Loopback, o.Delay, o.Room = p.loopback, p.backoff.Delay, p.room
	o.Failed = func(f ...*chain.Failure) { p.point("failed"); w.Schedule(f...) }
	o.Rewound = func(ancestor uint64) { p.point("rewound"); w.Rewound(ancestor) }
	o.Recovered = func() { w.RetryAll() }
	x := indexer.New(source{n, p}, s, o, p.log, nil)
	w, err := gapfill.New(ctx, s, p.backoff, x.Index, n.Await, p.log, nil)
	if err != nil {
		return err
	}
	w.Room = p.room
	p.mu.Lock()
	p.store, p.worker = s, w
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.store, p.worker = nil, nil
		p.mu.Unlock()
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return x.Run(ctx) })
	g.Go(func() error { return w.Run(ctx) })
	g.Go(func() error { return p.watch(ctx, s) })
	return g.Wait()
}

func (p *program) room() error {
	p.point("room")
	if p.full.Load() {
		return fmt.Errorf("nothing left: %w", store.ErrFull)
	}
	return nil
}

// A source is the node's client with a point at which the machine may die.
type source struct {
	*node.Node
	program *program
}

func (s source) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	results, err := s.Node.Blocks(ctx, numbers, most)
	s.program.point("fetched")
	return results, err
}

// point is where the machine dies if it is to die there: the file as it is now
// is kept, whatever the program does until it is stopped.
func (p *program) point(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crashAt != name {
		return
	}
	p.crashAt = ""
	to := p.newPath()
	if err := copyCommitted(p.path, to); err != nil {
		p.err = errors.Join(p.err, err)
		return
	}
	p.crashed = to
}

// crash lets the machine die at a point, or where it stands if that does not
// come, and starts the program again on what is on the disk then.
func (p *program) crash(point string) {
	p.mu.Lock()
	p.crashAt = point
	p.mu.Unlock()
	if point != "rest" {
		time.Sleep(time.Duration(p.world.rng.IntN(4000)) * time.Millisecond)
	}
	p.mu.Lock()
	p.crashAt = ""
	crashed := p.crashed
	p.crashed = ""
	p.mu.Unlock()
	if crashed == "" {
		wait() // nobody writes
		p.mu.Lock()
		crashed = p.newPath()
		path := p.path
		p.mu.Unlock()
		p.fail(copyRaw(path, crashed, p.world.rng))
	}
	p.stop()
	p.mu.Lock()
	_ = os.Remove(p.path)
	p.path = crashed
	p.mu.Unlock()
	p.fail(checkFile(crashed))
	p.run()
}

// until is the highest block that the file should have.
func (p *program) until() uint64 {
	return p.world.head - min(p.options.Confirmations, p.world.head)
}

// complete says what the file still lacks.
func (p *program) complete() error {
	p.mu.Lock()
	s := p.store
	p.mu.Unlock()
	if s == nil {
		return errors.New("the program does not run")
	}
	return complete(context.Background(), s, p.world.served, p.until(), p.world.head)
}

// verify proves the files, and that the last one is the chain.
func (p *program) verify() error {
	for _, path := range append(p.rotated, p.path) {
		if err := checkFile(path); err != nil {
			return err
		}
	}
	s, err := store.Open(context.Background(), p.path)
	if err != nil {
		return err
	}
	next, err := s.Next(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(equal(context.Background(), s, p.world.served, p.start, next-1), s.Close())
}
