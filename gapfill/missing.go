package gapfill

import "time"

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
	case len(q.silent.items) > 0:
		m.NextAt = time.UnixMilli(q.silent.items[0].nextAt)
	case len(q.waiting.items) > 0:
		m.NextAt = time.UnixMilli(q.waiting.items[0].nextAt)
	}
	return m
}
