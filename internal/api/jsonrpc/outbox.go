package jsonrpc

import "sync"

// mostPending is how many bytes of news may wait for a client.
const mostPending = 16 << 20

// An outbox holds what a client has not taken yet, up to a limit. Past that it
// is full and stays so: its client has missed something.
type outbox struct {
	mu    sync.Mutex // guards what follows
	items []answer
	bytes int
	full  bool
	wake  chan struct{} // buffered, 1: there is something
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// put adds items, or makes the outbox full.
func (o *outbox) put(items ...answer) {
	if len(items) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, item := range items {
		o.bytes += len(item)
	}
	if o.bytes > mostPending {
		o.fill()
	} else {
		o.items = append(o.items, items...)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// miss says that the client has missed something.
func (o *outbox) miss() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fill()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) fill() { o.full, o.items = true, nil }

// take takes what there is. ok is false if the outbox is full.
func (o *outbox) take() (items []answer, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	items = o.items
	o.items, o.bytes = nil, 0
	return items, !o.full
}
