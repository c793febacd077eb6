// Package gapfill brings in the blocks that are missing.
//
// Each has a row in failed_blocks, which is the truth; a queue in memory, made
// from the rows at start, only says when to look at which. A retry runs the
// function by which the head is indexed. Blocks that were not answered for are
// retried in a lane of their own, where they hold up no others.
package gapfill

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// atOnce is how many blocks one retry asks for.
const atOnce = 16

// A Worker retries missing blocks. It is safe for concurrent use.
type Worker struct {
	// Room, if set before Run, is asked before each write. While it returns an
	// error that wraps a [store.NoRoom], nothing is written.
	Room func() error

	store   *store.Store
	backoff Backoff
	index   func(context.Context, []uint64) ([]store.Entry, error)
	await   func(context.Context) error
	log     *slog.Logger
	metrics *metrics
	lanes   []*lane

	reloads sync.Mutex // held while the rows are read, before mu

	mu      sync.Mutex // guards what follows
	queue   *queue
	reading bool           // the rows, to make the queue anew
	since   []func(*queue) // what has changed the queue since that began

	paused   error     // why nothing can be written now
	pausedAt time.Time // since when
}

// New makes a worker and its queue from the rows of failed_blocks. index is
// the indexer's function that fetches and verifies blocks: it gives an entry
// for each of the first numbers, at least one, and its error is an endpoint's.
// await returns when an endpoint answers again.
func New(ctx context.Context, s *store.Store, backoff Backoff,
	index func(context.Context, []uint64) ([]store.Entry, error), await func(context.Context) error,
	log *slog.Logger, registry prometheus.Registerer,
) (*Worker, error) {
	w := &Worker{
		store: s, backoff: backoff, index: index, await: await, log: log, queue: newQueue(),
	}
	w.lanes = []*lane{newLane(w, false), newLane(w, true)}
	w.metrics = newMetrics(registry, w)
	return w, w.Reload(ctx)
}

// Reload makes the queue anew from the rows, for when others than the worker
// have changed them. What is told meanwhile is told to the new queue as well: the
// rows may have been read before it.
func (w *Worker) Reload(ctx context.Context) error {
	w.reloads.Lock()
	defer w.reloads.Unlock()
	w.setReading(true)
	defer w.setReading(false)
	items, err := w.read(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.queue
	w.queue = newQueue()
	w.queue.load(items, old)
	for _, change := range w.since {
		change(w.queue)
	}
	w.poke()
	return nil
}

func (w *Worker) setReading(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading, w.since = yes, nil
}

// change changes the queue; w.mu is held.
func (w *Worker) change(do func(*queue)) {
	do(w.queue)
	if w.reading {
		w.since = append(w.since, do)
	}
	w.poke()
}

// read gives the rows as items.
func (w *Worker) read(ctx context.Context) (items []*item, err error) {
	latest := time.Now().Add(w.backoff.Longest()).UnixMilli() // a clock may have been set
	err = w.store.EachDue(ctx, func(d store.Due) {
		it := &item{
			number: d.Number, failedAt: d.FirstFailedAt.UnixMilli(), tries: int32(min(d.RetryCount, math.MaxInt32)),
			silent: d.Class == chain.Timeout,
		}
		if d.NextRetryAt.IsZero() {
			it.state = skipped
		} else {
			it.nextAt = min(d.NextRetryAt.UnixMilli(), latest)
		}
		items = append(items, it)
	})
	return items, err
}

// Schedule puts failures that were committed into the queue.
func (w *Worker) Schedule(failures ...*chain.Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range failures {
		w.metrics.failures.WithLabelValues(string(f.Class)).Inc()
		it := item{
			number: f.Number, nextAt: f.NextAt.UnixMilli(), failedAt: f.At.UnixMilli(), tries: int32(f.Tries),
			silent: f.Class == chain.Timeout,
		}
		w.change(func(q *queue) { q.put(it) })
	}
}

// Rewound takes out what is above the block to which the chain was rewound.
func (w *Worker) Rewound(ancestor uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change(func(q *queue) { q.removeWhere(func(number uint64) bool { return number > ancestor }) })
}

// Pruned takes out what is below the start block.
func (w *Worker) Pruned(start uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change(func(q *queue) { q.removeWhere(func(number uint64) bool { return number < start }) })
}

// RetryAll makes all missing blocks due, for when an endpoint is back.
func (w *Worker) RetryAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.change(func(q *queue) { q.allDue(now) })
}

// Paused says since when nothing can be written, and why, which is a
// [store.NoRoom]; nil if it can.
func (w *Worker) Paused() (since time.Time, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pausedAt, w.paused
}

// setPaused says why nothing can be written now, or with nil that it can. It
// reports whether nothing could be until then.
func (w *Worker) setPaused(why error) (isNew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if isNew = why != nil && w.paused == nil; isNew {
		w.pausedAt = time.Now()
	}
	w.paused = why
	return isNew
}

// poke wakes the lanes. The queue's lock is held.
func (w *Worker) poke() {
	for _, l := range w.lanes {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Run retries what is due until ctx ends. It returns only what a retry can't
// cure.
func (w *Worker) Run(ctx context.Context) error {
	g, within := errgroup.WithContext(ctx)
	for _, l := range w.lanes {
		g.Go(func() error { return l.run(within) })
	}
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}
