// Package bytebudget bounds the bytes that answers hold while they are under
// way, all together.
//
// A part of the budget is an answer's before the answer is made or read, and
// free again once it is written or used. One account, as a connection has, never
// holds more than its share, an eighth. The last quarter is for small answers of
// accounts that hold nothing else, so that who asks for little is answered
// whatever others hold. An answer larger than a share goes alone: there is one
// such at a time.
package bytebudget

import (
	"context"
	"slices"
	"sync"
)

// Small is how many bytes a small answer holds at most: 64 kB, twice, as they
// were made and as they are sent.
const Small = 128 << 10

// Usual is how many bytes a budget has where nobody says otherwise.
const Usual = 256 << 20

// A Budget is shared by those who hold parts of it. It is safe for concurrent
// use.
type Budget struct {
	total int64

	mu      sync.Mutex // guards what follows, and accounts and holds
	held    int64
	alone   *Hold // larger than a share; nil: none
	waiting []*waiter
}

// New makes a budget of so many bytes; too few for anything are more.
func New(total int64) *Budget { return &Budget{total: max(total, 64*Small)} }

// Share is how many bytes an account may hold.
func (b *Budget) Share() int64 { return b.total / 8 }

// Largest is how many bytes an answer counts for at most.
func (b *Budget) Largest() int64 { return b.total * 5 / 8 }

// Held is how many bytes are held now.
func (b *Budget) Held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// An Account is one client's, or one answer's.
type Account struct {
	budget *Budget
	held   int64
}

// Account opens an account. It need not be closed.
func (b *Budget) Account() *Account { return &Account{budget: b} }

// Share is how many bytes the account may hold.
func (a *Account) Share() int64 { return a.budget.Share() }

// A Hold is the part of the budget that one answer holds. One goroutine may use
// it at a time.
type Hold struct {
	account *Account
	bytes   int64
}

// Hold makes a hold of nothing.
func (a *Account) Hold() *Hold { return &Hold{account: a} }

// A waiter is a hold that is to have more.
type waiter struct {
	hold  *Hold
	bytes int64
	done  chan struct{} // closed when it has
}

// Resize makes the hold one of so many bytes. It waits until there is room, or
// returns [context.Cause] of ctx with the hold as it was.
func (h *Hold) Resize(ctx context.Context, bytes int64) error {
	b := h.account.budget
	b.mu.Lock()
	if b.resize(h, bytes) {
		b.mu.Unlock()
		return nil
	}
	w := &waiter{hold: h, bytes: bytes, done: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 {
		return nil // it has, in this very moment
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.wake()
	return context.Cause(ctx)
}

// TryResize makes the hold one of so many bytes if there is room now.
func (h *Hold) TryResize(bytes int64) bool {
	b := h.account.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resize(h, bytes)
}

// Bytes is how many bytes are held.
func (h *Hold) Bytes() int64 {
	h.account.budget.mu.Lock()
	defer h.account.budget.mu.Unlock()
	return h.bytes
}

// Release gives back all.
func (h *Hold) Release() { h.TryResize(0) }

// resize resizes a hold if it may. The lock is held.
func (b *Budget) resize(h *Hold, bytes int64) bool {
	bytes = min(bytes, b.Largest())
	if bytes > h.bytes && (bytes > Small && b.queued() || !b.fits(h, bytes)) {
		return false
	}
	less := bytes < h.bytes
	b.put(h, bytes)
	if less {
		b.wake()
	}
	return true
}

func (b *Budget) put(h *Hold, bytes int64) {
	switch {
	case bytes > b.Share():
		b.alone = h
	case b.alone == h:
		b.alone = nil
	}
	b.held += bytes - h.bytes
	h.account.held += bytes - h.bytes
	h.bytes = bytes
}

// fits reports whether a hold may grow.
func (b *Budget) fits(h *Hold, bytes int64) bool {
	held := b.held + bytes - h.bytes
	switch {
	case b.shared(h, bytes):
		return false
	case held <= b.total*3/4:
		return true
	}
	return bytes <= Small && h.account.held == h.bytes && held <= b.total
}

// shared reports whether a hold may not grow because of what its account has, or
// because another goes alone.
func (b *Budget) shared(h *Hold, bytes int64) bool {
	if bytes > b.Share() {
		return b.alone != nil && b.alone != h
	}
	return h.account.held+bytes-h.bytes > b.Share()
}

// queued reports whether one that is larger than small waits for room in the
// budget: others wait behind it.
func (b *Budget) queued() bool {
	return slices.ContainsFunc(b.waiting, func(w *waiter) bool { return w.bytes > Small && !b.shared(w.hold, w.bytes) })
}

// wake lets those go on that may now, in order.
func (b *Budget) wake() {
	blocked := false
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		bytes := min(w.bytes, b.Largest())
		switch {
		case bytes > Small && blocked:
			return false
		case b.fits(w.hold, bytes):
			b.put(w.hold, bytes)
			close(w.done)
			return true
		}
		blocked = blocked || bytes > Small && !b.shared(w.hold, bytes)
		return false
	})
}
