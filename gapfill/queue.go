package gapfill

import (
	"container/heap"
	"time"
)

// An item is a missing block in the queue. Times are unix milliseconds, to be
// small: there may be millions.
type item struct {
	number   uint64
	nextAt   int64 // of the next retry; never, if it was skipped
	failedAt int64 // of the first failure
	tries    int32
	place    int32 // in the heap that it is in
	state    state
	silent   bool // the last try was not answered
}

type state uint8

const (
	waiting state = iota // for its next retry
	due                  // for the worker
	working              // the worker has it
	skipped              // nobody tries it
)

// A queue holds every missing block once. It hands out those that are due,
// newest first. It is not safe for concurrent use.
type queue struct {
	items   map[uint64]*item
	waiting heapOf // by time of the next retry
	due     heapOf // by number, highest first
	silent  heapOf // the same of those whose last try was not answered
	oldest  heapOf // by first failure; may still hold what is no longer missing
	skipped int
}

func newQueue() *queue {
	return &queue{
		items:   make(map[uint64]*item),
		waiting: heapOf{before: func(a, b *item) bool { return a.nextAt < b.nextAt }, placed: true},
		due:     heapOf{before: func(a, b *item) bool { return a.number > b.number }, placed: true},
		silent:  heapOf{before: func(a, b *item) bool { return a.number > b.number }, placed: true},
		oldest:  heapOf{before: func(a, b *item) bool { return a.failedAt < b.failedAt }},
	}
}

// load adds many blocks to an empty queue at once. What the worker has, by the
// queue before, it still has.
func (q *queue) load(items []*item, before *queue) {
	for _, it := range items {
		q.items[it.number] = it
		q.oldest.items = append(q.oldest.items, it)
		if had := before.items[it.number]; had != nil && had.state == working {
			it.state = working
			continue
		}
		if it.state == skipped {
			q.skipped++
			continue
		}
		it.place = int32(len(q.waiting.items))
		q.waiting.items = append(q.waiting.items, it)
	}
	heap.Init(&q.waiting)
	heap.Init(&q.oldest)
}

// put adds a block, or gives one that is there its new time.
func (q *queue) put(it item) {
	old := q.items[it.number]
	if old == nil {
		old = &item{number: it.number, failedAt: it.failedAt, state: working}
		q.items[it.number] = old
		heap.Push(&q.oldest, old)
	}
	q.take(old)
	old.nextAt, old.tries, old.state, old.silent = it.nextAt, it.tries, it.state, it.silent
	if old.state == skipped {
		q.skipped++
		return
	}
	old.state = waiting
	heap.Push(&q.waiting, old)
}

// take removes a block from the heap that it is in; it stays in the queue.
func (q *queue) take(it *item) {
	switch it.state {
	case waiting:
		heap.Remove(&q.waiting, int(it.place))
	case due:
		heap.Remove(q.lane(it.silent), int(it.place))
	case skipped:
		q.skipped--
	}
	it.state = working
}

// lane gives the blocks that are due, those that are silent or the others.
func (q *queue) lane(silent bool) *heapOf {
	if silent {
		return &q.silent
	}
	return &q.due
}

// remove takes a block out of the queue: it is no longer missing.
func (q *queue) remove(number uint64) {
	it := q.items[number]
	if it == nil {
		return
	}
	q.take(it)
	delete(q.items, number)
	for len(q.oldest.items) > 0 && q.items[q.oldest.items[0].number] != q.oldest.items[0] {
		heap.Pop(&q.oldest)
	}
}

// removeWhere takes out the blocks of which gone is true.
func (q *queue) removeWhere(gone func(number uint64) bool) {
	for n := range q.items {
		if gone(n) {
			q.remove(n)
		}
	}
}

// pop hands out up to n blocks of a lane that are due, newest first. If none is,
// it says how long to wait for the next one of any lane; ok is false if there is
// none to wait for.
func (q *queue) pop(now time.Time, n int, silent bool) (numbers []uint64, wait time.Duration, ok bool) {
	at, lane := now.UnixMilli(), q.lane(silent)
	for len(q.waiting.items) > 0 && q.waiting.items[0].nextAt <= at {
		it := heap.Pop(&q.waiting).(*item)
		it.state = due
		heap.Push(q.lane(it.silent), it)
	}
	for len(numbers) < n && len(lane.items) > 0 {
		it := heap.Pop(lane).(*item)
		it.state = working
		numbers = append(numbers, it.number)
	}
	if len(numbers) > 0 {
		return numbers, 0, true
	}
	if len(q.waiting.items) == 0 {
		return nil, 0, false
	}
	return nil, time.UnixMilli(q.waiting.items[0].nextAt).Sub(now), true
}

// allDue makes every block due that is not skipped.
func (q *queue) allDue(now time.Time) {
	at := now.UnixMilli()
	for _, it := range q.waiting.items {
		it.nextAt = min(it.nextAt, at)
	}
	heap.Init(&q.waiting)
}

// A heapOf is a heap of items by some order, for container/heap.
type heapOf struct {
	items  []*item
	before func(a, b *item) bool
	placed bool // items know their place
}

func (h *heapOf) Len() int           { return len(h.items) }
func (h *heapOf) Less(i, j int) bool { return h.before(h.items[i], h.items[j]) }

func (h *heapOf) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	if h.placed {
		h.items[i].place, h.items[j].place = int32(i), int32(j)
	}
}

func (h *heapOf) Push(x any) {
	it := x.(*item)
	if h.placed {
		it.place = int32(len(h.items))
	}
	h.items = append(h.items, it)
}

func (h *heapOf) Pop() any {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	return it
}
