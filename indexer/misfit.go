package indexer

import (
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

// A misfit is a block that came in vain since a time, though nothing of what is
// stored has turned out to be of another chain.
type misfit struct {
	fork  store.ForkError
	since time.Time
}

// sawMisfit notes that a block does not fit.
func (x *Indexer) sawMisfit(fork *store.ForkError) {
	if x.misfit.fork != *fork {
		x.misfit = misfit{*fork, time.Now()}
	}
}

// refuseMisfit makes missing what a commit of entries failed for, if it keeps
// contradicting the block right below it. It gives the place of that entry, or -1.
func (x *Indexer) refuseMisfit(err error, entries []store.Entry) int {
	fork, ok := errors.AsType[*store.ForkError](err)
	if !ok || x.options.Fixed || x.misfit.fork != *fork || time.Since(x.misfit.since) < misfitAfter {
		return -1
	}
	if fork.Number > fork.Neighbour+1 {
		return -1 // it is what lies below a gap that is of another chain
	}
	i := slices.IndexFunc(entries, func(e store.Entry) bool { return e.Number() == fork.Number })
	entries[i] = store.Entry{Failure: chain.Failed(fork.Number, &chain.Error{Class: chain.Fork, Err: fork}, 1, time.Now())}
	return i
}
