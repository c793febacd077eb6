// Package gapfill brings in the blocks that are missing.
//
// Each has a row in failed_blocks, which is the truth; a queue in memory, made
// from the rows at start, only says when to look at which. A retry runs the
// function by which the head is indexed.
package gapfill

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// atOnce is how many blocks one retry asks for.
const atOnce = 16

// longestSleep bounds a sleep, so that a clock that was set, or a machine that
// slept, is noticed.
const longestSleep = 30 * time.Second

// Waits of a worker that can't go on: when there is no room, and at least before
// an endpoint that failed twice in a row is asked again.
const (
	roomEvery    = 5 * time.Second
	failingEvery = time.Second
	mostToldWait = 15 * time.Minute // however long a node says that it wants to be left alone
)

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
	wake    chan struct{} // buffered, 1: the head of the queue may have changed
	failing bool          // the last retry failed at the endpoint; Run's own

	mu     sync.Mutex // guards what follows
	queue  *queue
	paused error // why nothing can be written now
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
		store: s, backoff: backoff, index: index, await: await, log: log,
		wake: make(chan struct{}, 1), queue: newQueue(),
	}
	w.metrics = newMetrics(registry, w)
	return w, w.Reload(ctx)
}

// Reload makes the queue anew from the rows, for when others than the worker
// have changed them.
func (w *Worker) Reload(ctx context.Context) error {
	latest := time.Now().Add(w.backoff.Longest()).UnixMilli() // a clock may have been set
	var items []*item
	err := w.store.EachDue(ctx, func(d store.Due) {
		it := &item{number: d.Number, failedAt: d.FirstFailedAt.UnixMilli(), tries: int32(min(d.RetryCount, math.MaxInt32))}
		if d.NextRetryAt.IsZero() {
			it.state = skipped
		} else {
			it.nextAt = min(d.NextRetryAt.UnixMilli(), latest)
		}
		items = append(items, it)
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = newQueue()
	w.queue.load(items)
	w.poke()
	return nil
}

// Schedule puts failures that were committed into the queue.
func (w *Worker) Schedule(failures ...*chain.Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range failures {
		w.metrics.failures.WithLabelValues(string(f.Class)).Inc()
		w.queue.put(item{
			number: f.Number, nextAt: f.NextAt.UnixMilli(), failedAt: f.At.UnixMilli(), tries: int32(f.Tries),
		})
	}
	w.poke()
}

// Rewound takes out what is above the block to which the chain was rewound.
func (w *Worker) Rewound(ancestor uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.removeAbove(ancestor)
	w.poke()
}

// RetryAll makes all missing blocks due, for when an endpoint is back.
func (w *Worker) RetryAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.allDue(time.Now())
	w.poke()
}

// Paused says why nothing can be written now, which is a [store.NoRoom]; it is
// nil if it can.
func (w *Worker) Paused() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused
}

// setPaused gives what it said before.
func (w *Worker) setPaused(why error) (before error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, w.paused = w.paused, why
	return before
}

// poke wakes the worker. The queue's lock is held.
func (w *Worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Missing sums up what is missing.
type Missing struct {
	Count   int       // blocks, skipped ones among them
	Skipped int       // blocks that nobody tries
	Oldest  time.Time // first failure of the block that is missing longest; zero if none is
	NextAt  time.Time // of the next retry; zero if there is none
}

// Missing sums up the queue. It counts nothing.
func (w *Worker) Missing() Missing {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queue
	m := Missing{Count: len(q.items), Skipped: q.skipped}
	if len(q.oldest.items) > 0 {
		m.Oldest = time.UnixMilli(q.oldest.items[0].failedAt)
	}
	switch {
	case len(q.due.items) > 0:
		m.NextAt = time.UnixMilli(q.due.items[0].nextAt)
	case len(q.waiting.items) > 0:
		m.NextAt = time.UnixMilli(q.waiting.items[0].nextAt)
	}
	return m
}

// Run retries what is due until ctx ends. It returns only what a retry can't
// cure.
func (w *Worker) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		numbers, wait, waits := w.next()
		if len(numbers) > 0 {
			if err := w.retry(ctx, numbers); err != nil {
				return err
			}
			continue
		}
		var due <-chan time.Time
		if waits {
			timer.Reset(min(wait, longestSleep))
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.wake:
		case <-due:
		}
	}
}

func (w *Worker) next() ([]uint64, time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.pop(time.Now(), atOnce)
}

// retry tries blocks that the queue handed out, and puts back those that are
// still missing.
func (w *Worker) retry(ctx context.Context, numbers []uint64) error {
	rows, err := w.rows(ctx, numbers)
	if err != nil || len(rows) == 0 {
		return err
	}
	numbers = numbers[:0]
	for _, row := range rows {
		numbers = append(numbers, row.Number)
	}
	rewinds := w.store.Rewinds()
	entries, err := w.index(ctx, numbers)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil: // the endpoint's failure is no block's
		w.log.Warn("retries wait for the endpoint", "blocks", len(rows), "err", err)
		w.putBack(rows)
		return w.awaitEndpoint(ctx, err)
	}
	w.failing = false
	w.putBack(rows[len(entries):])
	for i, e := range entries {
		if err := w.settle(ctx, rows[i], e, rewinds); err != nil {
			return err
		}
	}
	return nil
}

// awaitEndpoint waits until an endpoint answers again. After an outage all that
// is missing is due at once.
func (w *Worker) awaitEndpoint(ctx context.Context, cause error) error {
	wait, class := time.Duration(0), chain.ClassOf(cause)
	if e, ok := errors.AsType[*chain.Error](cause); ok {
		wait = min(e.After, mostToldWait)
	}
	if w.failing {
		wait = max(wait, failingEvery)
	}
	w.failing = true
	if err := pause.For(ctx, wait); err != nil {
		return err
	}
	if err := w.await(ctx); err != nil {
		return err
	}
	if class == chain.EndpointDown || class == chain.EndpointRefuses {
		w.RetryAll()
	}
	return nil
}

// write carries out a transaction. While there is no room it waits, and then
// tries it again.
func (w *Worker) write(ctx context.Context, transaction func() error) error {
	defer w.setPaused(nil)
	for {
		var err error
		if w.Room != nil {
			err = w.Room()
		}
		if err == nil {
			err = transaction()
		}
		if !errors.As(err, new(store.NoRoom)) {
			return err
		}
		if w.setPaused(err) == nil {
			w.log.Error("retries pause until there is room", "err", err)
		}
		if err := pause.For(ctx, roomEvery); err != nil {
			return err
		}
	}
}

// rows gives the rows of the blocks that are to be tried: the queue may be
// wrong, the row is not.
func (w *Worker) rows(ctx context.Context, numbers []uint64) (rows []*store.Failed, err error) {
	for _, number := range numbers {
		row, err := w.store.Failed(ctx, number)
		switch {
		case errors.Is(err, store.ErrNotFound):
			w.drop(number)
		case err != nil:
			return nil, err
		case row.Skipped():
			w.put(row, skipped)
		default:
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// settle stores what came of the retry of one block. rewinds is how often the
// chain had been rewound before it.
func (w *Worker) settle(ctx context.Context, row *store.Failed, e store.Entry, rewinds uint64) error {
	failure := e.Failure
	if e.Block != nil {
		var displaced *chain.Failure
		err := w.write(ctx, func() (err error) {
			displaced, err = w.store.Fill(ctx, e.Block, rewinds)
			return err
		})
		var fork *store.ForkError
		switch {
		case err == nil:
			w.drop(row.Number)
			w.metrics.retries.WithLabelValues("recovered").Inc()
			w.log.Info("missing block recovered", "block", row.Number, "tries", row.RetryCount+1,
				"missing_for", time.Since(row.FirstFailedAt).Round(time.Millisecond))
			if displaced != nil {
				w.log.Warn("block of another chain was displaced", "block", displaced.Number)
				w.Schedule(displaced)
			}
			return nil
		case errors.Is(err, store.ErrObsolete):
			return w.obsolete(ctx, row)
		case !errors.As(err, &fork):
			return err
		}
		failure = chain.Failed(row.Number, &chain.Error{Class: chain.Fork, Err: err}, 1, time.Now())
	}
	return w.failedAgain(ctx, row, failure)
}

func (w *Worker) failedAgain(ctx context.Context, row *store.Failed, f *chain.Failure) error {
	f.Tries += row.RetryCount
	f.NextAt = f.At.Add(w.backoff.Delay(f.Waits()))
	err := w.write(ctx, func() error { return w.store.RetryFailed(ctx, f) })
	if errors.Is(err, store.ErrObsolete) {
		return w.obsolete(ctx, row)
	}
	if err != nil {
		return err
	}
	w.metrics.retries.WithLabelValues("failed").Inc()
	w.log.Warn("block is still missing", "block", f.Number, "class", f.Class, "tries", f.Tries,
		"next_retry_at", f.NextAt.Round(time.Second), "err", f.Message)
	w.Schedule(f)
	return nil
}

// obsolete looks why a block could not be filled or failed: it is gone, or
// somebody skipped it, or the chain was rewound, perhaps only above it.
func (w *Worker) obsolete(ctx context.Context, tried *store.Failed) error {
	w.metrics.retries.WithLabelValues("obsolete").Inc()
	row, err := w.store.Failed(ctx, tried.Number)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.drop(tried.Number)
	case err != nil:
		return err
	case row.Skipped():
		w.put(row, skipped)
	case row.LastFailedAt.Equal(tried.LastFailedAt):
		w.putBack([]*store.Failed{row})
	default:
		w.put(row, waiting)
	}
	return nil
}

// putBack gives back blocks that were not tried after all. They still are due,
// even if their rows say that they are not yet: see RetryAll.
func (w *Worker) putBack(rows []*store.Failed) {
	for _, row := range rows {
		row.NextRetryAt = time.Now()
		w.put(row, waiting)
	}
}

func (w *Worker) put(row *store.Failed, s state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.put(item{
		number: row.Number, nextAt: row.NextRetryAt.UnixMilli(), failedAt: row.FirstFailedAt.UnixMilli(),
		tries: int32(row.RetryCount), state: s,
	})
}

// drop takes out a block that was handed out, unless it is missing anew since.
func (w *Worker) drop(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if it := w.queue.items[number]; it != nil && it.state == working {
		w.queue.remove(number)
	}
}
