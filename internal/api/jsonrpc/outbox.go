package jsonrpc

import (
	"sync"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// mostPending is how many bytes of news may wait for a client, as JSON. Those who
// wait for the same share them.
const mostPending = 16 << 20

// An item is one of the news that wait for a client: a log or a header, which
// others have as well. It is encoded when it is sent.
type item struct {
	log     *store.FoundLog
	removed bool
	head    *chain.Header
}

// size is about how long the item is as JSON.
func (i item) size() int {
	const rest, topic = 600, 70
	if i.log == nil {
		return rest
	}
	return rest + topic*len(i.log.Topics) + 2*len(i.log.Data)
}

// itemBytes is what one of the news takes of the memory of its client alone.
const itemBytes = 48

// An outbox holds what a client has not taken yet, up to a limit. Past that it
// is full and stays so: its client has missed something.
type outbox struct {
	mu    sync.Mutex // guards what follows
	items []item
	taken int // items that are perhaps being sent
	bytes int
	full  bool
	base  int64            // of the hold: what is held without any items
	hold  *bytebudget.Hold // of what clients leave behind; nil: any
	wake  chan struct{}    // buffered, 1: there is something
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// open reports whether the client may have the outbox, and a number of bytes beside
// it. It is to be closed then.
func (o *outbox) open(a *bytebudget.Account, bytes int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.base, o.hold = bytes, a.Hold()
	return o.hold.TryResize(bytes)
}

// close gives back what the outbox holds. Nothing may be put in it any more.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hold.Release()
}

// put adds items, or makes the outbox full.
func (o *outbox) put(items ...item) {
	if len(items) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, item := range items {
		o.bytes += item.size()
	}
	if o.bytes > mostPending || !o.fits(len(o.items)+len(items)) {
		o.fill()
	} else {
		o.items = append(o.items, items...)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// fits reports whether the client may have a number of items.
func (o *outbox) fits(items int) bool {
	return o.hold == nil || o.hold.TryResize(o.base+itemBytes*int64(items+o.taken))
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

// size is about how long what there is is as JSON.
func (o *outbox) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}

// take takes what there is. ok is false if the outbox is full.
func (o *outbox) take() (items []item, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	items = o.items
	o.items, o.taken, o.bytes = nil, len(items), 0
	o.fits(0) // always, as it is less
	return items, !o.full
}
