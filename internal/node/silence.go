package node

import (
	"fmt"
	"sync"
	"time"
)

// A silence is what is known of how quickly one endpoint answers, and of what it
// does not answer. It is safe for concurrent use.
type silence struct {
	heavy, light usual // of calls for whole blocks, and of all others

	mu       sync.Mutex          // guards what follows
	answered time.Time           // when the latest request that was answered had been sent
	blocks   map[uint64]struct{} // that were silent when they were last asked for
	hedges   map[*hedge]struct{} // under way
	singles  int                 // requests beside batches, under way
	slow     int                 // batches in a row whose groups were answered singly before them
}

// mostSilent bounds the blocks that are remembered.
const mostSilent = 10_000

// usualOf gives how long the answer to a call usually takes.
func (s *silence) usualOf(c *call) *usual {
	if c.whole && s.heavy.isKnown() {
		return &s.heavy
	}
	return &s.light
}

// answers notes that calls were answered.
func (s *silence) answers(calls []*call, m *meter) {
	if calls[0].whole {
		s.heavy.saw(m.took())
	} else {
		s.light.saw(m.took())
	}
	sent := m.sentAt()
	s.mu.Lock()
	defer s.mu.Unlock()
	if sent.After(s.answered) {
		s.answered = sent
	}
	for _, c := range calls {
		if c.whole {
			delete(s.blocks, *c.block)
		}
	}
}

// answeredSince reports whether a request that was sent after a moment was
// answered.
func (s *silence) answeredSince(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered.After(t)
}

// was reports whether a block was silent when it was last asked for.
func (s *silence) was(block uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.blocks[block]
	return ok
}

// add notes that a block is silent.
func (s *silence) add(block uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks == nil || len(s.blocks) >= mostSilent {
		s.blocks = make(map[uint64]struct{})
	}
	s.blocks[block] = struct{}{}
}

// slowBatches notes whether the groups of a batch were answered singly before it,
// and reports whether that was so twice in a row: once may be a mishap.
func (s *silence) slowBatches(slow bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slow++; !slow {
		s.slow = 0
	}
	return s.slow >= 2
}

// enter takes a place for a single request, if one is free.
func (s *silence) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.singles >= singlesAtOnce {
		return false
	}
	s.singles++
	return true
}

func (s *silence) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.singles--
}

func (s *silence) begin(h *hedge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hedges == nil {
		s.hedges = make(map[*hedge]struct{})
	}
	s.hedges[h] = struct{}{}
}

func (s *silence) end(h *hedge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hedges, h)
}

// An Awaited is an answer that does not come.
type Awaited struct {
	For   string    // a block, or a method
	Since time.Time // when the request was sent, or when something of the answer last came
}

// awaited gives the answer that has been silent for the longest; nil if none is
// silent.
func (s *silence) awaited(now time.Time) (oldest *Awaited) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.hedges {
		d, _ := h.whole.meter.silence(now)
		if d < silentAfter || oldest != nil && !now.Add(-d).Before(oldest.Since) {
			continue
		}
		oldest = &Awaited{For: h.what(), Since: now.Add(-d)}
	}
	return oldest
}

// what names what a call is for.
func (c *call) what() string {
	switch {
	case c.block != nil:
		return fmt.Sprintf("block %d", *c.block)
	case c.method == "eth_getBlockByNumber":
		return fmt.Sprintf("block %v", c.params[0]) // by a tag
	}
	return c.method
}
