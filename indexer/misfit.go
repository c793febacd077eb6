package indexer

import (
	"context"
	"errors"
	"slices"
	"time"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// misfitAfter is how long a source keeps giving a block that does not fit the
// one that it gives below it, before it is wrong: by then a chain that moves,
// and endpoints that are not all as far, agree.
const misfitAfter = 5 * time.Second

// A misfit is a block that comes in vain again and again, though each time
// nothing of what is stored turns out to be of another chain.
type misfit struct {
	fork        *store.ForkError // nil: there is none
	first, last time.Time        // when nothing was in doubt; last is zero if that is not sure any more
}

// is reports whether the same place does not fit.
func (m *misfit) is(fork *store.ForkError) bool {
	return m.fork != nil && m.fork.Number == fork.Number && m.fork.Neighbour == fork.Neighbour && m.fork.Want == fork.Want
}

// prove notes that nothing of what is stored is in doubt.
func (m *misfit) prove() {
	if m.last = time.Now(); m.first.IsZero() {
		m.first = m.last
	}
}

// followMisfit follows the reorg that a block which does not fit may be of.
// Unless that shows that there is none, the block is as good as any.
func (x *Indexer) followMisfit(ctx context.Context, fork *store.ForkError) (time.Duration, error) {
	x.log.Info("block does not fit", "block", fork.Number, "err", fork)
	if !x.misfit.is(fork) {
		x.misfit = misfit{fork: fork}
	}
	x.misfit.last = time.Time{}
	again, err := x.reorg(ctx, false)
	if x.misfit.last.IsZero() {
		x.misfit = misfit{}
	}
	return again, err
}

// refuseMisfit makes missing what a commit of entries failed for, if it keeps
// contradicting the block right below it. It gives the place of that entry, or -1.
func (x *Indexer) refuseMisfit(err error, entries []store.Entry) int {
	fork, ok := errors.AsType[*store.ForkError](err)
	if !ok || !x.misfit.is(fork) || x.misfit.last.Sub(x.misfit.first) < misfitAfter {
		return -1
	}
	if fork.Number > fork.Neighbour+1 {
		return -1 // it is what lies below a gap that is of another chain
	}
	i := slices.IndexFunc(entries, func(e store.Entry) bool { return e.Number() == fork.Number })
	entries[i] = store.Entry{Failure: chain.Failed(fork.Number, &chain.Error{Class: chain.Fork, Err: fork}, 1, time.Now())}
	return i
}
