package indexer

import (
	"time"

	"gapless/internal/chain"
)

// A Status says how far an indexer is.
type Status struct {
	State      string    // what it does now, in words
	Next       uint64    // number to commit next
	Stored     uint64    // highest stored block; meaningful if HasStored
	HasStored  bool      // a block is stored
	ChainHead  uint64    // highest block of the chain; meaningful if HasHead
	HasHead    bool      // the source has said where its head is
	AnsweredAt time.Time // last answer about the head; zero if there was none
	Rate       float64   // blocks a second of late
	Lagging    bool      // the source is at ChainHead, below what the file has, and waited for
	Paused     error     // why nothing can be written for now: a store.NoRoom; nil if it can
	PausedAt   time.Time // since when
}

// Lag is how many blocks of the chain are not yet stored or known to be
// missing.
func (s Status) Lag() uint64 {
	if !s.HasHead || s.ChainHead < s.Next {
		return 0
	}
	return s.ChainHead + 1 - s.Next
}

// Status says how far the indexer is.
func (x *Indexer) Status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.status
	s.Rate = x.metrics.rate.perSecond(time.Now())
	return s
}

// setState says in words what the indexer does now, and gives what it said
// before.
func (x *Indexer) setState(state string) (before string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before, x.status.State = x.status.State, state
	return before
}

// setPaused says why nothing can be written now, or with nil that it can. It
// reports whether that is another state than before, and since when nothing could
// be written.
func (x *Indexer) setPaused(why error) (changed bool, since time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed = (why == nil) != (x.status.Paused == nil)
	if changed && why != nil {
		x.status.PausedAt = time.Now()
	}
	x.status.Paused = why
	return changed, x.status.PausedAt
}

// setLagging says whether the source is behind the file, and gives what it said
// before.
func (x *Indexer) setLagging(yes bool) (before bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before, x.status.Lagging = x.status.Lagging, yes
	return before
}

func (x *Indexer) isLagging() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status.Lagging
}

// setNext shows what Run has in x.next and x.tip.
func (x *Indexer) setNext() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status.Next = x.next
	x.status.HasStored = x.tip != nil
	if x.tip != nil {
		x.status.Stored = x.tip.Number
	}
}

// sawHead takes note of the chain's head as Follow tells it.
func (x *Indexer) sawHead(h *chain.Header) {
	x.mu.Lock()
	x.told = h.Hash
	x.mu.Unlock()
	x.foundHead(h)
}

// foundHead takes note of the chain's head, wherever it comes from.
func (x *Indexer) foundHead(h *chain.Header) {
	x.mu.Lock()
	isNew := x.head == nil || x.head.Hash != h.Hash
	x.head = h
	x.status.ChainHead, x.status.HasHead = h.Number, true
	x.mu.Unlock()
	if isNew {
		poke(x.moved)
	}
}

// headWasTold reports whether the head that is known is the one that Follow
// last told.
func (x *Indexer) headWasTold() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.head == nil || x.head.Hash == x.told
}

// How long the source may say nothing of its head before it is asked whether it
// still serves the chain. With a subscription it is asked for its head every
// 4 s, or every 48 s off this machine.
const (
	silence         = time.Minute
	silenceLoopback = 6 * time.Second
)

// sawAnswer takes note of an answer about the head.
func (x *Indexer) sawAnswer(at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status.AnsweredAt = at
}

// A resting source asks for nothing until a time, or has not until then, because
// the calls of the day are used up. It is not silent meanwhile.
type resting interface{ RestsUntil() time.Time }

// silent reports whether the source has said nothing for so long that it should
// be asked, and else how long it still may.
func (x *Indexer) silent() (bool, time.Duration) {
	longest := silence
	if x.options.Loopback {
		longest = silenceLoopback
	}
	longest += 2 * x.options.Sparing
	x.mu.Lock()
	at := x.status.AnsweredAt
	x.mu.Unlock()
	if at.Before(x.awaited) {
		at = x.awaited
	}
	if s, ok := x.source.(resting); ok && at.Before(s.RestsUntil()) {
		at = s.RestsUntil()
	}
	left := time.Until(at.Add(longest))
	return left <= 0, left
}

func (x *Indexer) chainHead() *chain.Header {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.head
}
