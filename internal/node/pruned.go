package node

import (
	"context"
	"slices"
	"time"

	"gapless/internal/chain"
)

// prunedFor is how long it is believed that a height is pruned, before the
// endpoint is asked again: a request or two a minute cost little, and two odd
// answers do not keep a block away for long.
const prunedFor = time.Minute

// has reports whether an endpoint may have a block: it is not known to be pruned
// there, nor to be above its head. The leader is asked in any case for what is
// above.
func (e *endpoint) has(number uint64, leads bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	pruned := number > 0 && number < e.state.Lowest && now.Before(e.prunedAt.Add(prunedFor))
	above := number > e.state.Head && now.Before(e.headAt.Add(headFor))
	return !pruned && (leads || !above)
}

// Nulls mean that the blocks are pruned if there were as many, and nothing below
// was given: one alone may be a mishap. Near the head they mean nothing.
const (
	fewestNulls = 8
	nearHead    = 64
)

// learnRange learns from results which blocks the endpoint has.
func (e *endpoint) learnRange(ctx context.Context, results []chain.Result) {
	if nulls := e.learnGiven(results); len(nulls) > 0 {
		e.judgeNulls(ctx, nulls)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range results {
		if r.Err != nil && chain.ClassOf(r.Err) == chain.Pruned {
			e.learnPruned(r.Number)
		}
	}
}

// learnGiven learns from the blocks that were given, the genesis aside, which
// all nodes keep. It gives the results below that are null, once there were
// enough of them.
func (e *endpoint) learnGiven(results []chain.Result) (nulls []*chain.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range results {
		if r.Err != nil || r.Number == 0 {
			continue
		}
		if r.Number > e.state.Head {
			e.state.Head, e.headAt = r.Number, time.Now()
		}
		e.given = min(e.given, r.Number)
		e.state.Lowest = min(e.state.Lowest, e.given)
	}
	for i := range results {
		r := &results[i]
		if r.Number > 0 && r.Number < e.given && chain.ClassOf(r.Err) == chain.NotYet {
			nulls = append(nulls, r)
			if len(e.nulls) < fewestNulls && !slices.Contains(e.nulls, r.Number) {
				e.nulls = append(e.nulls, r.Number)
			}
		}
	}
	e.nulls = slices.DeleteFunc(e.nulls, func(number uint64) bool { return number > e.given })
	if len(e.nulls) < fewestNulls {
		return nil
	}
	return nulls
}

// judgeNulls makes pruned those of the nulls that are not near the head. That is
// asked for anew: a chain that ends earlier than before has nothing there.
func (e *endpoint) judgeNulls(ctx context.Context, nulls []*chain.Result) {
	head, err := e.headerOf(ctx, "latest")
	if err != nil {
		return
	}
	for _, r := range nulls {
		if r.Number+nearHead <= head.Number {
			r.Err = errorf(chain.Pruned, "%w, as is what is below it: the node does not keep what is so old", r.Err)
		}
	}
}

// learnPruned believes that nothing up to a number is kept, if it was said of
// another one too, of late, and no lower block was given; e.mu is held.
func (e *endpoint) learnPruned(number uint64) {
	if now := time.Now(); e.prunedOne == nil || !now.Before(e.prunedOneAt.Add(prunedFor)) {
		e.prunedOne, e.prunedOneAt = &number, now
	}
	if one := *e.prunedOne; one != number && max(one, number) < e.given {
		e.state.Lowest = max(e.state.Lowest, one+1, number+1)
		e.prunedAt = time.Now()
	}
}
