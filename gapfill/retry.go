package gapfill

import (
	"context"
	"errors"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// Waits of a worker that can't go on: when there is no room, and at least before
// an endpoint that failed twice in a row is asked again.
const (
	roomEvery    = 5 * time.Second
	failingEvery = time.Second
	mostToldWait = 15 * time.Minute // however long a node says that it wants to be left alone
)

// retry tries blocks that the queue handed out, and puts back those that are
// still missing.
func (l *lane) retry(ctx context.Context, numbers []uint64) error {
	rows, err := l.rows(ctx, numbers)
	if err != nil || len(rows) == 0 {
		return err
	}
	numbers = numbers[:0]
	for _, row := range rows {
		numbers = append(numbers, row.Number)
	}
	rewinds := l.store.Rewinds()
	entries, err := l.index(ctx, numbers)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil: // the endpoint's failure is no block's
		l.log.Warn("retries wait for the endpoint", "blocks", len(rows), "err", err)
		l.putBack(rows)
		return l.awaitEndpoint(ctx, err)
	}
	l.failing = false
	l.putBack(rows[len(entries):])
	for i, e := range entries {
		if err := l.settle(ctx, rows[i], e, rewinds); err != nil {
			return err
		}
	}
	return nil
}

// awaitEndpoint waits until an endpoint answers again. After an outage all that
// is missing is due at once.
func (l *lane) awaitEndpoint(ctx context.Context, cause error) error {
	wait, class := time.Duration(0), chain.ClassOf(cause)
	if e, ok := errors.AsType[*chain.Error](cause); ok {
		wait = min(e.After, mostToldWait)
	}
	if l.failing {
		wait = max(wait, failingEvery)
	}
	l.failing = true
	if err := pause.For(ctx, wait); err != nil {
		return err
	}
	if err := l.await(ctx); err != nil {
		return err
	}
	if class == chain.EndpointDown || class == chain.EndpointRefuses {
		l.RetryAll()
	}
	return nil
}

// write carries out a transaction. While the file can't be written it waits, and
// then tries it again.
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
		if w.setPaused(err) {
			w.log.Error("retries pause until the file can be written", "err", err)
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
			if e.Block.Verdict.Failed != 0 {
				w.metrics.wrong.Inc()
			}
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
	it := item{
		number: row.Number, nextAt: row.NextRetryAt.UnixMilli(), failedAt: row.FirstFailedAt.UnixMilli(),
		tries: int32(row.RetryCount), state: s, silent: row.Class == chain.Timeout,
	}
	w.change(func(q *queue) { q.put(it) })
}

// drop takes out a block that was handed out, unless it is missing anew since.
func (w *Worker) drop(number uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if it := w.queue.items[number]; it != nil && it.state == working {
		w.change(func(q *queue) { q.remove(number) })
	}
}
