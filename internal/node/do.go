package node

import (
	"context"
	"errors"
	"slices"

	"gapless/internal/chain"
)

// do makes the calls, in as many requests as the endpoint wants, and keeps
// groups of so many calls together where it can. It waits where the endpoint
// asks it to, and asks for less at a time where that helps. A group that stays
// silent while others are answered fails with [chain.Timeout]. It returns an error
// that the endpoint is to blame for, or the end of ctx; what is wrong with one
// call is in the call, of a class that OfBlock.
func (e *endpoint) do(ctx context.Context, calls []*call, group int) error {
	tries := 0 // of the calls that come next, which failed
	for len(calls) > 0 {
		n := e.chunk(len(calls), group)
		now, rest := calls[:n], calls[n:]
		left, err := e.hedge(ctx, now, group)
		if err == nil {
			if left, err = sift(now); err == nil {
				e.grow()
				calls, tries = rest, 0
				continue
			}
		}
		tries++
		ofCall, err := e.cope(ctx, n, tries, err)
		switch {
		case ofCall:
			left[0].err = blockError(err)
			calls, tries = rest, 0
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

// cope answers the failure of a request of n calls, which is the last of some
// tries. Without an error, it is to be tried again, perhaps in parts. ofCall says
// that the error belongs to the one call that there was, else it is the
// endpoint's.
func (e *endpoint) cope(ctx context.Context, n, tries int, err error) (ofCall bool, _ error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if errors.Is(err, errSmaller) {
		return false, nil
	}
	if errors.Is(err, errAllowance) || errors.Is(err, errBudget) {
		return false, err
	}
	switch chain.ClassOf(err) {
	case chain.RateLimited:
		return false, e.refused(ctx, tries, err)
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
		if tries == 1 && stumbled(err) {
			return false, nil
		}
		if probe := e.probe(ctx); probe != nil && chain.ClassOf(probe) != chain.RateLimited {
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

// blame notes an error of the endpoint.
func (e *endpoint) blame(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.failed(err)
	return err
}
