package node

import (
	"context"
	"slices"
	"time"

	"gapless/internal/chain"
)

// use runs f with the leader, and with the next endpoint where an endpoint is
// to blame for the error, or asks to wait while another one is free.
func (n *Node) use(ctx context.Context, f func(*endpoint) error) error {
	const rounds = 5 // while endpoints limit us in turn
	var failed error
	for range rounds {
		failed = nil
		var tried []*endpoint
		for e := n.pick(tried); e != nil; e = n.pick(tried) {
			tried = append(tried, e)
			err := n.admit(ctx, e)
			if err == nil {
				err = f(e)
			}
			if err == nil || ctx.Err() != nil || !ofEndpoint(err) {
				return err
			}
			failed = worse(failed, err)
		}
		if !shortPause(failed) {
			break
		}
	}
	return failed
}

// pick gives the endpoint to ask next of those that were not tried, or nil.
func (n *Node) pick(tried []*endpoint) *endpoint {
	for _, e := range n.ranked() {
		if !slices.Contains(tried, e) {
			return e
		}
	}
	return nil
}

// ofEndpoint reports whether an error may be mended by another endpoint.
func ofEndpoint(err error) bool {
	class := chain.ClassOf(err)
	return class == chain.EndpointDown || class == chain.EndpointRefuses || class == chain.RateLimited
}

// worse gives the error to tell of, of two endpoints': the one that may be
// mended the soonest.
func worse(one, two error) error {
	order := []chain.Class{chain.RateLimited, chain.EndpointDown, chain.EndpointRefuses}
	if one == nil || slices.Index(order, chain.ClassOf(two)) < slices.Index(order, chain.ClassOf(one)) {
		return two
	}
	return one
}

// shortPause reports whether an endpoint asks to wait for a time that is ours to
// wait, once no other is free.
func shortPause(err error) bool {
	e, ok := err.(*chain.Error)
	return ok && e.Class == chain.RateLimited && e.After <= longestWait
}

// A rank says how good an endpoint is to be asked, the best first.
type rank int

const (
	ready rank = iota // up, or not tried yet
	trailing
	wrong   // it gave a wrong block not long ago
	limited // it asked for a respite
	due     // down, and to be tried again
	down
)

func (e *endpoint) rank() rank {
	paused := e.respite.left() > 0
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.known && !e.state.Up && time.Now().Before(e.retryAt):
		return down
	case e.known && !e.state.Up:
		return due
	case paused:
		return limited
	case time.Now().Before(e.wrongUntil):
		return wrong
	case e.behind:
		return trailing
	}
	return ready
}

// rank is the endpoint's own, but where nobody looks at endpoints in the
// background, calls have to find out what one that was down is like now.
func (n *Node) rank(e *endpoint) rank {
	r := e.rank()
	if r == due && n.watching.Load() == 0 {
		return ready
	}
	return r
}

// ranked gives the endpoints in the order in which to ask them: the leader, then
// by rank.
func (n *Node) ranked() []*endpoint {
	lead, _ := n.leader()
	sorted := slices.Clone(n.endpoints()) // others may come meanwhile
	ranks := make(map[*endpoint]rank, len(sorted))
	for _, e := range sorted {
		ranks[e] = n.rank(e)
	}
	ranks[lead] = -1
	slices.SortStableFunc(sorted, func(a, b *endpoint) int { return int(ranks[a] - ranks[b]) })
	return sorted
}

// elsewhere reports whether another endpoint than e is free.
func (n *Node) elsewhere(e *endpoint) bool {
	return slices.ContainsFunc(n.endpoints(), func(o *endpoint) bool { return o != e && o.rank() < limited })
}

// leader gives the endpoint whose heads and headers count, and a channel that is
// closed when it is another one.
func (n *Node) leader() (*endpoint, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lead := n.elect()
	if lead != n.lead {
		if n.lead != nil {
			n.logger.Info("another endpoint is followed", "endpoint", lead.label)
			close(n.moved)
			n.moved = make(chan struct{})
		}
		n.lead = lead
	}
	return lead, n.moved
}

// Leading names the endpoint whose heads and headers count.
func (n *Node) Leading() string {
	lead, _ := n.leader()
	return lead.label
}

// elect gives the first-listed endpoint that is well. One that was not is
// preferred to a leader that is well only after it was well for two looks,
// where somebody looks, and else once it is to be tried again.
func (n *Node) elect() *endpoint {
	watched := n.watching.Load() > 0
	best, bestRank := n.lead, down+1
	if best == nil {
		best = n.endpoints()[0]
	}
	for _, e := range n.endpoints() {
		r := n.rank(e)
		if e != n.lead && watched && r == ready && !e.isSteady() {
			r = trailing
		}
		if r < bestRank || r == bestRank && e == n.lead && r >= trailing {
			best, bestRank = e, r
		}
	}
	return best
}

// isSteady reports whether the endpoint was well at the last two looks.
func (e *endpoint) isSteady() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.steady >= 2
}

// unsteady notes that the endpoint is not to take the lead for now.
func (e *endpoint) unsteady() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steady = 0
}
