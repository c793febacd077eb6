package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"gapless/internal/chain"
)

// do makes the calls, in as many requests as the endpoint wants, and keeps
// groups of so many calls together where it can. It waits where the endpoint
// asks it to, and asks for less at a time where that helps. A group that stays
// silent while others are answered fails with [chain.Timeout]. It returns an error
// that the endpoint is to blame for, or the end of ctx; what is wrong with one
// call is in the call, of a class that OfBlock.
func (e *endpoint) do(ctx context.Context, calls []*call, group int) error {
	for len(calls) > 0 {
		n := e.chunk(len(calls), group)
		now, rest := calls[:n], calls[n:]
		left, err := e.hedge(ctx, now, group)
		if err == nil {
			if left, err = sift(now); err == nil {
				e.grow()
				calls = rest
				continue
			}
		}
		ofCall, err := e.cope(ctx, n, err)
		switch {
		case ofCall:
			left[0].err = blockError(err)
			calls = rest
		case err != nil:
			return err
		default:
			calls = slices.Concat(left, rest)
		}
	}
	return nil
}

// sift gives the calls that were not made because they were too many, and the
// error that says so.
func sift(calls []*call) (left []*call, err error) {
	for _, c := range calls {
		switch chain.ClassOf(c.err) {
		case chain.RateLimited, chain.TooLarge:
			left, err = append(left, c), c.err
		}
	}
	return left, err
}

// cope answers the failure of a request of n calls. Without an error, it is to
// be tried again, perhaps in parts. ofCall says that the error belongs to the
// one call that there was, else it is the endpoint's.
func (e *endpoint) cope(ctx context.Context, n int, err error) (ofCall bool, _ error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if errors.Is(err, errAllowance) || errors.Is(err, errBudget) {
		return false, err
	}
	switch chain.ClassOf(err) {
	case chain.RateLimited:
		return false, e.slower(ctx, err)
	case chain.TooLarge:
		if n == 1 {
			return true, err
		}
		e.shrink(n, isRefusal(err))
		return false, nil
	case chain.EndpointDown, chain.EndpointRefuses: // or only this is refused, as what only paying users get
		if errors.Is(err, errUnanswered) {
			return false, e.blame(ctx, err)
		}
		if probe := e.probe(ctx); probe != nil {
			return false, e.blame(ctx, err)
		}
		if errors.Is(err, errSlept) {
			return false, nil
		}
		if n == 1 {
			return true, err
		}
		e.shrink(n, false)
		return false, nil
	}
	return false, e.blame(ctx, err)
}

// isRefusal reports whether the node said that the batch has too many calls.
func isRefusal(err error) bool {
	r, ok := errors.AsType[*rpcError](err)
	return ok && r.Code != codeTooLarge && r.Code != codeSlow
}

// slower waits as the endpoint asks, and lowers its rate.
func (e *endpoint) slower(ctx context.Context, err error) error {
	after := time.Duration(0)
	if c, ok := errors.AsType[*chain.Error](err); ok {
		after = c.After
	}
	now := time.Now()
	e.respite.lengthen(after, now)
	e.limit.slower(now, e.respite.left())
	e.unsteady()
	return e.waitRespite(ctx)
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

// blame notes an error of the endpoint.
func (e *endpoint) blame(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.failed(err)
	return err
}

// probe asks for the block number, to see whether the endpoint answers.
func (e *endpoint) probe(ctx context.Context) error {
	c := newCall("eth_blockNumber")
	if err := e.exchange(ctx, []*call{c}, true, new(meter)); err != nil {
		return err
	}
	return c.err
}
