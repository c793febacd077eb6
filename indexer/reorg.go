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
	// laggingLook is the wait before a source that lags is looked at again.
	laggingLook = time.Second
	// headersAhead is how far above the old head a new chain's headers are
	// fetched before the old blocks go.
	headersAhead = 64
	// shallow is how many blocks a rewind down to the start block may leave
	// behind off loopback before it is a reset.
	shallow = 128
	// headerBatch is how many headers are asked for at once.
	headerBatch = 100
)

var (
	// errMoving says that the chain changed while it was looked at.
	errMoving = errors.New("the chain changed while it was looked at")
	// errNoAncestor says that no stored block is part of the source's chain.
	errNoAncestor = errors.New("no stored block is part of the chain")
)

// A comparison is of the file's tip with a chain, named by its head.
type comparison struct{ tip, head common.Hash }

// compare looks whether the chain still is ours when there is nothing to
// index. It notices a reorg that brought no new height, and a revert.
func (x *Indexer) compare(ctx context.Context, head *chain.Header) (time.Duration, error) {
	if x.tip == nil || x.compared == (comparison{x.tip.Hash, head.Hash}) {
		return whenMoved, nil
	}
	if head.Number < x.tip.Number {
		return x.compareLower(ctx, head)
	}
	theirs := head
	if head.Number > x.tip.Number {
		headers, err := x.source.Headers(ctx, []uint64{x.tip.Number})
		if err != nil {
			return x.unclear(ctx, err)
		}
		if theirs = headers[0]; theirs == nil {
			return x.unclear(ctx, errMoving)
		}
	}
	if theirs.Hash != x.tip.Hash {
		x.log.Info("the tip is another block", "block", theirs.Number, "hash", theirs.Hash)
		return x.reorg(ctx, false)
	}
	x.shown = true
	if head.Number+1 < x.next && x.reached(x.next-1) {
		return x.shorter(ctx, head)
	}
	x.compared = comparison{x.tip.Hash, head.Hash}
	return whenMoved, nil
}

// compareLower looks at a head below the tip.
func (x *Indexer) compareLower(ctx context.Context, head *chain.Header) (time.Duration, error) {
	at, err := x.store.Highest(ctx, head.Number)
	switch {
	case err != nil:
		return 0, err
	case at != nil && at.Number == head.Number && at.Hash != head.Hash:
		x.log.Info("the head is another block", "block", head.Number, "hash", head.Hash)
		return x.reorg(ctx, false)
	case at == nil || !x.shown && !x.options.Alone:
		return whenMoved, nil // behind
	}
	return x.lower(ctx, head)
}

// lower waits until it is sure that a source with a lower head has reverted:
// it keeps saying so and no longer knows the tip that it once showed.
func (x *Indexer) lower(ctx context.Context, head *chain.Header) (time.Duration, error) {
	wait, every := x.revertedAfter()
	deadline := time.Now().Add(wait)
	for {
		known, err := x.source.HeaderByHash(ctx, x.tip.Hash)
		switch {
		case err != nil:
			return x.unclear(ctx, err)
		case known != nil:
			return laggingLook, nil
		case !time.Now().Before(deadline):
			x.log.Info("the node reverted", "block", head.Number)
			return x.reorg(ctx, true)
		}
		if same, err := x.still(ctx, head, every); err != nil {
			return x.unclear(ctx, err)
		} else if !same {
			return atOnce, nil
		}
	}
}

// shorter waits until it is sure that the chain now ends below blocks that are
// missing, which then have never been, or are no more.
func (x *Indexer) shorter(ctx context.Context, head *chain.Header) (time.Duration, error) {
	wait, every := x.revertedAfter()
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); {
		if same, err := x.still(ctx, head, every); err != nil {
			return x.unclear(ctx, err)
		} else if !same {
			return atOnce, nil
		}
	}
	x.log.Info("the chain ends below missing blocks", "block", head.Number)
	return x.reorg(ctx, true)
}

// revertedAfter is how long a source says less before it has reverted, and how
// often it is asked meanwhile.
func (x *Indexer) revertedAfter() (wait, every time.Duration) {
	if x.options.Loopback {
		return revertedAfterLoopback, lookAgain
	}
	return revertedAfter, 2 * time.Second
}

// still waits and then looks whether the head is the same.
func (x *Indexer) still(ctx context.Context, head *chain.Header, wait time.Duration) (bool, error) {
	if err := pause(ctx, wait); err != nil {
		return false, err
	}
	now, err := x.source.Head(ctx)
	if err != nil || now.Hash == head.Hash {
		return err == nil, err
	}
	x.foundHead(now)
	return false, nil
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

// reorg moves the file from the chain that it has to the one that the source
// serves now. Nothing is deleted before the new chain's headers are here,
// recomputed and linked, and its first blocks, or why they can't be had. A
// chain that only ends earlier than ours is followed if it is sure that the
// source has reverted.
func (x *Indexer) reorg(ctx context.Context, reverted bool) (time.Duration, error) {
	x.setState("following a reorg")
	head, err := x.source.Head(ctx)
	if err != nil {
		return x.unclear(ctx, err)
	}
	ancestor, err := x.ancestor(ctx, head)
	if errors.Is(err, errNoAncestor) {
		return x.reset(ctx)
	}
	if err != nil {
		return x.unclear(ctx, err)
	}
	if ancestor.Number+1 == x.next || (head.Number <= ancestor.Number && !reverted) {
		x.foundHead(head) // nothing of ours is in doubt
		return lookAgain, nil
	}
	if x.onlyStart(ancestor) {
		return x.reset(ctx)
	}
	if err := x.leaveFinal(ctx, ancestor); err != nil {
		return x.unclear(ctx, err)
	}
	if err := x.exchange(ctx, ancestor, head); err != nil {
		return x.unclear(ctx, err)
	}
	x.foundHead(head)
	return atOnce, nil
}

// exchange fetches what takes the place of the blocks above the ancestor, and
// then rewinds.
func (x *Indexer) exchange(ctx context.Context, ancestor *store.Anchor, head *chain.Header) error {
	hashes, err := x.newChain(ctx, ancestor, head)
	if err != nil {
		return err
	}
	entries, err := x.replacement(ctx, hashes, ancestor, head)
	if err != nil {
		return err
	}
	return x.rewind(ctx, ancestor, hashes, entries)
}

// onlyStart reports whether a rewind to the ancestor leaves no more than the
// start block, and so much behind that it had better be kept.
func (x *Indexer) onlyStart(ancestor *store.Anchor) bool {
	if ancestor.Number != x.file.Start || x.tip == nil || x.tip.Number == ancestor.Number {
		return false
	}
	return x.options.Loopback || x.tip.Number-ancestor.Number > shallow
}

// reset ends the run if it is sure that the chain was reset.
//
// A start block above the genesis that a shallow reorg replaced could be
// rewound away with the rest, to the block below it, once package store allows
// an ancestor below the start block. Until then that is a reset too.
func (x *Indexer) reset(ctx context.Context) (time.Duration, error) {
	x.setState("looking whether the chain was reset")
	sure, err := x.sure(ctx, x.gone)
	switch {
	case sure:
		return 0, ErrReset
	case err != nil:
		return x.unclear(ctx, err)
	}
	return lookAgain, nil
}

// gone looks whether the chain was reset: it has another genesis, or no stored
// block but perhaps the first is part of it. A source of another chain is an
// [*store.IdentityError].
func (x *Indexer) gone(ctx context.Context) (bool, error) {
	if err := x.sameChain(ctx); err != nil {
		e, ok := errors.AsType[*store.IdentityError](err)
		if ok && e.File.ChainID == e.Node.ChainID {
			return true, nil
		}
		return false, err
	}
	head, err := x.source.Head(ctx)
	if err != nil {
		return false, err
	}
	ancestor, err := x.ancestor(ctx, head)
	if errors.Is(err, errNoAncestor) {
		return true, nil
	}
	return err == nil && x.onlyStart(ancestor), err
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
	x.forgetHeads()
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
	if !sameAnchor(now, ancestor) {
		return errMoving
	}
	return err
}

// ancestor finds the highest stored block that is part of the source's chain,
// however deep it is.
func (x *Indexer) ancestor(ctx context.Context, head *chain.Header) (*store.Anchor, error) {
	if x.next == x.file.Start {
		return nil, errNoAncestor // nothing is stored, and what came first does not fit
	}
	if head.Number < x.file.Start {
		return nil, errMoving // too far behind to tell
	}
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
			return nil, errNoAncestor
		}
		deeper, err := x.store.Highest(ctx, low-1)
		if err != nil {
			return nil, err
		}
		if deeper == nil {
			return nil, errNoAncestor
		}
		top = deeper.Number
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
// go in the transaction that brings them. There are none after a revert, and
// where we stay behind the head that far.
func (x *Indexer) replacement(ctx context.Context, hashes []common.Hash, ancestor *store.Anchor, head *chain.Header) ([]store.Entry, error) {
	first := ancestor.Number + 1
	last := ancestor.Number + uint64(min(len(hashes), spanBlocks))
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
		if e.Block.Hash != hashes[i] {
			return nil, errMoving
		}
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
