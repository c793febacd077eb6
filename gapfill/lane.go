package gapfill

import (
	"context"
	"time"
)

// longestSleep bounds a sleep, so that a clock that was set, or a machine that
// slept, is noticed.
const longestSleep = 30 * time.Second

// A lane retries blocks one after the other: those whose last try was not
// answered, or all others.
type lane struct {
	*Worker
	silent  bool
	wake    chan struct{} // buffered, 1: the head of the queue may have changed
	failing bool          // the last retry failed at the endpoint
}

func newLane(w *Worker, silent bool) *lane {
	return &lane{Worker: w, silent: silent, wake: make(chan struct{}, 1)}
}

// run retries what is due until ctx ends.
func (l *lane) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		numbers, wait, waits := l.next()
		if len(numbers) > 0 {
			if err := l.retry(ctx, numbers); err != nil {
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
		case <-l.wake:
		case <-due:
		}
	}
}

func (l *lane) next() ([]uint64, time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.pop(time.Now(), atOnce, l.silent)
}
