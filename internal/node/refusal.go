package node

import (
	"context"
	"errors"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

// learn takes in how the endpoint answered a request: that it refused calls
// because they are too many for now, and how many it answered.
func (e *endpoint) learn(sent time.Time, calls []*call, err error) {
	refused := 0
	switch {
	case err == nil:
		for _, c := range calls {
			if chain.ClassOf(c.err) == chain.RateLimited {
				refused++
			}
		}
	case chain.ClassOf(err) == chain.RateLimited:
		refused = len(calls)
	default:
		return // that says nothing of the rate
	}
	if refused < len(calls) {
		e.respite.reset()
	}
	e.limit.learn(sent, len(calls)-refused, refused, askedFor(err))
}

// askedFor is how long the endpoint asks to wait; 0 if it does not say.
func askedFor(err error) time.Duration {
	if c, ok := errors.AsType[*chain.Error](err); ok {
		return c.After
	}
	return 0
}

// refused waits before a request that was refused some times is sent again: as
// long as the endpoint asks, or until it may answer again, or a moment.
func (e *endpoint) refused(ctx context.Context, times int, err error) error {
	const moment = 100 * time.Millisecond
	e.respite.refused(askedFor(err), time.Now())
	if e.respite.left() > 0 {
		e.unsteady()
		return e.waitRespite(ctx)
	}
	return pause.For(ctx, jitter(moment<<min(times, 5)))
}

// waitRespite waits for the end of a respite that the endpoint asked for. It returns
// an error of class RateLimited if that takes too long, or if there is another
// endpoint to go to.
func (e *endpoint) waitRespite(ctx context.Context) error {
	if left := e.respite.left(); left > 0 && e.elsewhere() {
		return e.named(paused(left))
	}
	if err := e.respite.wait(ctx); err != nil {
		return e.named(err)
	}
	return nil
}
