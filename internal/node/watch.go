package node

import (
	"context"
	"sync"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

// How often all of several endpoints are looked at, while somebody follows.
const (
	lookEvery         = 10 * time.Second
	lookEveryLoopback = time.Second
)

// An endpoint is behind if it is by more than behindBy blocks, and until it is
// by one at most.
const behindBy = 2

// settledAfter is how far below both heads endpoints are compared: higher up,
// two that differ may agree in a moment.
const settledAfter = 3

// headFor is how long it is believed that a head is the highest.
const headFor = 30 * time.Second

// watch looks at all endpoints from time to time, if there are several, so that
// it is known which are down or behind, and whether they agree.
func (n *Node) watch(ctx context.Context) {
	for ctx.Err() == nil {
		endpoints, replaced := n.present()
		within, end := context.WithCancel(ctx)
		go func() {
			defer end()
			select {
			case <-replaced:
			case <-ctx.Done():
			}
		}()
		if len(endpoints) > 1 {
			n.watchAll(within, endpoints)
		}
		<-within.Done()
	}
}

func (n *Node) watchAll(ctx context.Context, endpoints []*endpoint) {
	n.watching.Add(1)
	defer n.watching.Add(-1)
	var all sync.WaitGroup
	for _, e := range endpoints {
		all.Go(func() { n.watchOne(ctx, e) })
	}
	all.Wait()
}

func (n *Node) watchOne(ctx context.Context, e *endpoint) {
	every := lookEvery
	if e.loopback {
		every = lookEveryLoopback
	}
	every = max(every, n.PollEvery())
	defer e.unwatched()
	at := uint64(0) // the last height at which it was compared
	for pause.For(ctx, jitter(every)) == nil {
		if n.look(ctx, e) {
			at = n.compareHeads(ctx, e, at)
		}
		n.leader() // others may learn that it is another one
	}
}

// look asks for the endpoint's head. It reports whether it told it.
func (n *Node) look(ctx context.Context, e *endpoint) bool {
	if r := e.rank(); r == down || r == limited || n.admit(ctx, e) != nil {
		return false
	}
	h, err := e.headerOf(ctx, "latest")
	if err != nil {
		return false
	}
	best := uint64(0)
	for _, o := range n.endpoints() {
		if o != e && o.rank() <= trailing {
			best = max(best, o.lowHead())
		}
	}
	e.looked(h.Number, best)
	return true
}

// looked takes in the head at a look, and the best one of others. Two looks
// count together, so that one wrong answer means nothing.
func (e *endpoint) looked(head, best uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steady++
	e.heads = [2]uint64{e.heads[1], head}
	highest := max(e.heads[0], e.heads[1])
	switch {
	case highest+behindBy < best && !e.behind:
		e.behind = true
		e.logger.Warn("endpoint is behind", "endpoint", e.label, "head", head, "best", best)
	case highest+1 >= best && e.behind:
		e.behind = false
		e.logger.Info("endpoint is not behind any more", "endpoint", e.label, "head", head)
	}
}

// lowHead is the lower one of the last two heads.
func (e *endpoint) lowHead() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return min(e.heads[0], e.heads[1])
}

// unwatched forgets what only holds while somebody looks.
func (e *endpoint) unwatched() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heads, e.behind = [2]uint64{}, false
}

// sawHead notes a head that the endpoint told of.
func (e *endpoint) sawHead(head uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state.Head, e.headAt = head, time.Now()
}

// compareHeads compares an endpoint with the leader, a little below both heads
// and once for a height, which it gives.
func (n *Node) compareHeads(ctx context.Context, e *endpoint, last uint64) uint64 {
	lead, _ := n.leader()
	at := min(e.snapshot().Head, lead.snapshot().Head)
	if e == lead || at <= settledAfter || at-settledAfter == last {
		return last
	}
	at -= settledAfter
	theirs, err := e.headerOf(ctx, hex(at))
	if err != nil {
		return last
	}
	ours, err := lead.headerOf(ctx, hex(at))
	if err != nil {
		return last
	}
	n.compare(lead, e, ours, theirs)
	return at
}

// compare reports whether an endpoint's header is the leader's. It notices two
// that differ though each is a header of the same number.
func (n *Node) compare(lead, e *endpoint, ours, theirs *chain.Header) bool {
	switch {
	case ours.Hash == theirs.Hash:
		e.agrees()
		return true
	case ours.Recompute() != nil && theirs.Recompute() == nil:
		n.wrong(lead, ours.Number) // it does not even tell a header
		return true
	case theirs.Recompute() == nil && ours.Number == theirs.Number:
		e.disagrees(lead, ours, theirs)
	}
	return false
}

// agrees notes that the endpoint is of one mind with the leader.
func (e *endpoint) agrees() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.disputed {
		e.logger.Info("endpoints agree again", "endpoint", e.label)
	}
	e.disputed, e.state.DisputedAt = false, 0
}

func (e *endpoint) disagrees(lead *endpoint, ours, theirs *chain.Header) {
	e.metrics.disagreements.WithLabelValues(e.label).Inc()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.disputed {
		e.logger.Warn("endpoints disagree", "block", theirs.Number, "endpoint", e.label, "hash", theirs.Hash,
			"followed", lead.label, "followed_hash", ours.Hash)
	}
	e.disputed, e.state.DisputedAt = true, theirs.Number
}
