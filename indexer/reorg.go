package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

const (
	// headersAhead is how far above the old head a new chain's headers are
	// fetched before the old blocks go.
	headersAhead = 64
	// headerBatch is how many headers are asked for at once.
	headerBatch = 100
)

// errMoving says that the chain changed while it was looked at.
var errMoving = errors.New("the chain changed while it was looked at")

// reorg moves the file from the chain that it has to the one that the source
// serves now. Nothing is deleted before the new chain's headers are here,
// recomputed and linked, and its first blocks, or why they can't be had. A
// chain that has no other block in the place of a stored one is followed only if
// it is sure that the source has reverted.
func (x *Indexer) reorg(ctx context.Context, reverted bool) (time.Duration, error) {
	x.setState("following a reorg")
	head, err := x.source.Head(ctx)
	if err != nil {
		return x.unclear(ctx, err)
	}
	lenient := x.lenient()
	ancestor, departure, err := x.ancestor(ctx, head)
	if errors.Is(err, errNoAncestor) {
		ancestor, err = x.belowStart(ctx)
	}
	if errors.Is(err, errNoAncestor) {
		return x.reset(ctx)
	}
	if err != nil {
		return x.unclear(ctx, err)
	}
	undoubted := x.tip != nil && ancestor.Number >= x.tip.Number // nothing of ours is
	if undoubted {
		x.misfit.prove()
	}
	if ancestor.Number+1 == x.next || !reverted && (undoubted || !departure.other) {
		x.foundHead(head)
		x.heldUp = heldUp{}
		return lookAgain, nil
	}
	if x.onlyStart(ancestor) {
		return x.reset(ctx)
	}
	if err := x.leaveFinal(ctx, ancestor); err != nil {
		return x.unclear(ctx, err)
	}
	if err := x.exchange(ctx, ancestor, head, lenient); err != nil {
		return x.unclear(ctx, err)
	}
	x.foundHead(head)
	return atOnce, nil
}

// exchange fetches what takes the place of the blocks above the ancestor, and
// then rewinds.
func (x *Indexer) exchange(ctx context.Context, ancestor *store.Anchor, head *chain.Header, lenient bool) error {
	hashes, err := x.newChain(ctx, ancestor, head)
	silent := chain.ClassOf(err) == chain.Timeout // it may be so for long
	if silent || lenient && (errors.Is(err, errMoving) || blockFailed(err)) {
		if err = nil; len(hashes) == 0 {
			hashes, err = x.hashByChild(ctx, ancestor)
		}
	}
	if err != nil {
		return err
	}
	entries, err := x.replacement(ctx, hashes, ancestor, head, lenient)
	if err != nil {
		return err
	}
	return x.rewind(ctx, ancestor, hashes, entries)
}

// newChain fetches the headers above the ancestor, recomputes their hashes and
// links them. It gives the hashes, lowest first; with an error those before it.
func (x *Indexer) newChain(ctx context.Context, ancestor *store.Anchor, head *chain.Header) ([]common.Hash, error) {
	last := min(head.Number, x.next-1+headersAhead)
	var hashes []common.Hash
	parent := ancestor.Hash
	for from := ancestor.Number + 1; from <= last; from += headerBatch {
		headers, err := x.source.Headers(ctx, numbersBetween(from, min(last, from+headerBatch-1)))
		if err != nil && chain.ClassOf(err) != chain.Timeout {
			return hashes, err
		}
		for _, h := range headers {
			switch {
			case h == nil && err != nil:
				return hashes, err
			case h == nil || h.ParentHash != parent:
				return hashes, errMoving
			}
			if err := x.recompute(ctx, h); err != nil {
				return hashes, fmt.Errorf("header %d: %w", h.Number, err)
			}
			hashes = append(hashes, h.Hash)
			parent = h.Hash
		}
	}
	return hashes, nil
}

// recompute says why a header is not what its hash says, if that is demanded and
// can be computed on this chain.
func (x *Indexer) recompute(ctx context.Context, h *chain.Header) error {
	if x.options.Level == chain.Off || x.options.Level == chain.Warn {
		return nil
	}
	found := h.Findings()
	if len(found) == 0 {
		return nil
	}
	p, err := x.property(ctx)
	if err != nil || x.options.Level == chain.Auto && p.exempt.Cover(h.Number, found[0]) {
		return err
	}
	return h.Recompute()
}

// replacement fetches the first blocks of the new chain, so that the old ones
// go in the transaction that brings them. There are none after a revert, and
// where we stay behind the head that far.
func (x *Indexer) replacement(ctx context.Context, hashes []common.Hash, ancestor *store.Anchor, head *chain.Header, lenient bool) ([]store.Entry, error) {
	first := ancestor.Number + 1
	last := ancestor.Number + uint64(min(len(hashes), firstBlocks))
	target, ok := x.target(head)
	if last = min(last, target); !ok || last < first {
		return nil, nil
	}
	var entries []store.Entry
	err := x.first(numbersBetween(first, last), func(numbers []uint64, most int64) (err error) {
		entries, _, err = x.indexTries(ctx, numbers, most, numbers[len(numbers)-1])
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if e.Block == nil {
			return entries[:max(i, 1)], nil // the rest of the way is the usual one
		}
		if e.Block.Hash == hashes[i] {
			continue
		}
		if !lenient {
			return nil, errMoving
		}
		why := &chain.Error{Class: chain.Fork, Err: fmt.Errorf("its header has hash %s, the whole block %s", hashes[i], e.Block.Hash)}
		entries[i] = store.Entry{Failure: chain.Failed(e.Number(), why, 1, time.Now())}
		return entries[:i+1], nil
	}
	return entries, nil
}

// rewind leaves what is above the ancestor and goes on with entries.
func (x *Indexer) rewind(ctx context.Context, ancestor *store.Anchor, hashes []common.Hash, entries []store.Entry) error {
	failures := x.failures(entries)
	started, from := time.Now(), x.next-1
	err := x.room()
	if err == nil {
		err = x.store.Rewind(ctx, store.Reorg{Ancestor: ancestor.Number, New: hashes}, entries)
	}
	if err != nil {
		return x.rewindFailed(ctx, err, ancestor)
	}
	x.finality.left = true
	x.finality.rewinds++
	x.movedOn()
	x.options.Rewound(ancestor.Number)
	x.metrics.reorg(from - ancestor.Number)
	x.log.Info("rewound", "ancestor", ancestor.Number, "depth", from-ancestor.Number)
	if len(entries) > 0 {
		x.committed(entries, failures, started)
	}
	return x.refresh(context.WithoutCancel(ctx))
}

// rewindFailed gives the reason why a rewind failed, which may be that the
// ancestor was displaced meanwhile.
func (x *Indexer) rewindFailed(ctx context.Context, err error, ancestor *store.Anchor) error {
	if errors.As(err, new(store.NoRoom)) || ctx.Err() != nil {
		return err
	}
	now, failed := x.store.Highest(context.WithoutCancel(ctx), ancestor.Number)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if ancestor.Number >= x.start && !sameAnchor(now, ancestor) {
		return errMoving
	}
	return err
}

func numbersBetween(first, last uint64) []uint64 {
	numbers := make([]uint64, 0, last-first+1)
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// unclear answers an error that came up while the chain was looked at, or
// returns it if it ends the run.
func (x *Indexer) unclear(ctx context.Context, err error) (time.Duration, error) {
	_, foreign := errors.AsType[*store.IdentityError](err)
	var why store.NoRoom
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case foreign || endpointFailed(err):
		return atOnce, x.await(ctx, err)
	case errors.As(err, &why):
		return atOnce, x.awaitRoom(ctx, why, err)
	case errors.Is(err, errMoving) || errors.As(err, new(*chain.Error)) || errors.As(err, new(*store.ForkError)):
		x.log.Debug("look again", "err", err)
		return lookAgain, nil
	}
	return 0, err
}
