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

func (x *Indexer) setState(state string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status.State = state
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

// sawHead takes note of the chain's head, wherever it comes from.
func (x *Indexer) sawHead(h *chain.Header) {
	x.mu.Lock()
	x.head = h
	x.status.ChainHead, x.status.HasHead = h.Number, true
	x.mu.Unlock()
	select {
	case x.moved <- struct{}{}:
	default:
	}
}

func (x *Indexer) sawAnswer(at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status.AnsweredAt = at
}

func (x *Indexer) chainHead() *chain.Header {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.head
}
