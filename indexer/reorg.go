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
	// A source that showed us our tip and then says less has reverted once it
	// has said so for this long.
	revertedAfter         = time.Minute
	revertedAfterLoopback = 500 * time.Millisecond
	// lookAgain is the wait before an unclear matter is looked at again.
	lookAgain = 250 * time.Millisecond
	// headersAhead is how far above the old head a new chain's headers are
	// fetched before the old blocks go.
	headersAhead = 64
	// headerBatch is how many headers are asked for at once.
	headerBatch = 100
)

// errMoving says that the chain changed while it was looked at.
var errMoving = errors.New("the chain changed while it was looked at")

// compare looks whether the chain still is ours when there is nothing to
// index. It notices a reorg that brought no new height, and a revert.
func (x *Indexer) compare(ctx context.Context, head *chain.Header) (time.Duration, error) {
	if x.tip == nil || head.Number >= x.next {
		return whenMoved, nil
	}
	at, err := x.store.Highest(ctx, head.Number)
	if err != nil || at == nil {
		return whenMoved, err
	}
	if at.Number == head.Number && at.Hash != head.Hash {
		x.log.Info("the head is another block", "block", head.Number, "hash", head.Hash)
		return x.reorg(ctx, false)
	}
	if head.Number >= x.tip.Number || !x.shown {
		return whenMoved, nil // at our tip, or behind
	}
	return x.lower(ctx, head)
}

// lower waits until it is sure that a source with a lower head has reverted:
// it keeps saying so and no longer knows the tip that it once showed.
func (x *Indexer) lower(ctx context.Context, head *chain.Header) (time.Duration, error) {
	wait := revertedAfter
	if x.options.Loopback {
		wait = revertedAfterLoopback
	}
	deadline := time.Now().Add(wait)
	for {
		known, err := x.source.HeaderByHash(ctx, x.tip.Hash)
		switch {
		case err != nil:
			return x.unclear(ctx, err)
		case known != nil:
			return lookAgain * 4, nil // only lagging
		case !time.Now().Before(deadline):
			x.log.Info("the node reverted", "block", head.Number)
			return x.reorg(ctx, true)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return 0, err
		}
		now, err := x.source.Head(ctx)
		if err != nil {
			return x.unclear(ctx, err)
		}
		if now.Number >= x.next || now.Hash != head.Hash {
			x.sawHead(now)
			return atOnce, nil
		}
	}
}

// unclear waits for a source that failed while the chain was looked at.
func (x *Indexer) unclear(ctx context.Context, err error) (time.Duration, error) {
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case endpointFailed(err):
		return atOnce, x.await(ctx, err)
	case errors.Is(err, errMoving) || errors.As(err, new(*chain.Error)):
		x.log.Debug("look again", "err", err)
		return lookAgain, nil
	}
	return 0, err
}

// reorg moves the file from the chain that it has to the one that the source
// serves now. Nothing is deleted before the new chain's headers are here,
// recomputed and linked, and its first block with them. A chain that only ends
// earlier than ours is followed if it is sure that the source has reverted.
func (x *Indexer) reorg(ctx context.Context, reverted bool) (time.Duration, error) {
	x.setState("following a reorg")
	head, err := x.source.Head(ctx)
	if err != nil {
		return x.unclear(ctx, err)
	}
	ancestor, err := x.ancestor(ctx, head)
	if errors.Is(err, ErrReset) {
		return 0, err
	}
	if err != nil {
		return x.unclear(ctx, err)
	}
	if ancestor.Number+1 == x.next || (head.Number <= ancestor.Number && !reverted) {
		x.sawHead(head) // nothing of ours is in doubt
		return lookAgain, nil
	}
	hashes, err := x.newChain(ctx, ancestor, head)
	if err != nil {
		return x.unclear(ctx, err)
	}
	entries, err := x.replacement(ctx, hashes, ancestor)
	if err != nil {
		return x.unclear(ctx, err)
	}
	if err := x.rewind(ctx, store.Reorg{Ancestor: ancestor.Number, New: hashes}, entries); err != nil {
		return 0, err
	}
	x.sawHead(head)
	return atOnce, nil
}

func (x *Indexer) rewind(ctx context.Context, r store.Reorg, entries []store.Entry) error {
	started, from := time.Now(), x.next-1
	if err := x.store.Rewind(ctx, r, entries); err != nil {
		return errors.Join(err, x.refresh(context.WithoutCancel(ctx)))
	}
	if err := x.refresh(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	x.options.Rewound(r.Ancestor)
	x.metrics.reorg(from - r.Ancestor)
	x.log.Info("rewound", "ancestor", r.Ancestor, "depth", from-r.Ancestor)
	if len(entries) > 0 {
		x.committed(entries, nil, started)
	}
	return nil
}

// ancestor finds the highest stored block that is part of the source's chain,
// however deep it is.
func (x *Indexer) ancestor(ctx context.Context, head *chain.Header) (*store.Anchor, error) {
	top := min(head.Number, x.next-1)
	for batch := uint64(4); ; batch = min(2*batch, headerBatch) {
		low := uint64(0)
		if top >= batch {
			low = top - batch + 1
		}
		ours, err := x.store.HashesBetween(ctx, low, top)
		if err != nil {
			return nil, err
		}
		found, err := x.common(ctx, ours)
		if found != nil || err != nil {
			return found, err
		}
		if low == 0 {
			return nil, ErrReset
		}
		top = low - 1
		if deepest, err := x.store.Highest(ctx, top); err != nil {
			return nil, err
		} else if deepest == nil {
			return nil, ErrReset
		} else {
			top = deepest.Number
		}
	}
}

// common gives the highest of our blocks that the source has too.
func (x *Indexer) common(ctx context.Context, ours []store.Anchor) (*store.Anchor, error) {
	numbers := make([]uint64, len(ours))
	for i := range ours {
		numbers[i] = ours[i].Number
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	theirs, err := x.source.Headers(ctx, numbers)
	if err != nil {
		return nil, err
	}
	for i := len(ours) - 1; i >= 0; i-- {
		if theirs[i] != nil && theirs[i].Hash == ours[i].Hash {
			return &ours[i], nil
		}
	}
	return nil, nil
}

// newChain fetches the headers above the ancestor, recomputes their hashes and
// links them. It gives the hashes, lowest first.
func (x *Indexer) newChain(ctx context.Context, ancestor *store.Anchor, head *chain.Header) ([]common.Hash, error) {
	last := min(head.Number, x.next-1+headersAhead)
	var hashes []common.Hash
	parent := ancestor.Hash
	for from := ancestor.Number + 1; from <= last; from += headerBatch {
		headers, err := x.source.Headers(ctx, numbersBetween(from, min(last, from+headerBatch-1)))
		if err != nil {
			return nil, err
		}
		for _, h := range headers {
			if h == nil || h.ParentHash != parent {
				return nil, errMoving
			}
			if x.options.Level != chain.Off && x.options.Level != chain.Warn {
				if err := h.Recompute(); err != nil {
					return nil, fmt.Errorf("header %d: %w", h.Number, err)
				}
			}
			hashes = append(hashes, h.Hash)
			parent = h.Hash
		}
	}
	return hashes, nil
}

// replacement fetches the first blocks of the new chain, so that the old ones
// go in the transaction that brings them. There are none after a revert.
func (x *Indexer) replacement(ctx context.Context, hashes []common.Hash, ancestor *store.Anchor) ([]store.Entry, error) {
	first := ancestor.Number + 1
	last := ancestor.Number + uint64(min(len(hashes), spanBlocks))
	if x.options.Until != nil {
		last = min(last, *x.options.Until)
	}
	if x.options.Confirmations > 0 || last < first {
		return nil, nil // the rest of the way is the usual one
	}
	entries, err := x.indexTries(ctx, numbersBetween(first, last), last)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if e.Block == nil {
			entries = entries[:i]
			break
		}
		if e.Block.Hash != hashes[i] {
			return nil, errMoving
		}
	}
	if len(entries) == 0 {
		return nil, errMoving
	}
	return entries, nil
}

func numbersBetween(first, last uint64) []uint64 {
	numbers := make([]uint64, 0, last-first+1)
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}
