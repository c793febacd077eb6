package indexer

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/pause"
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
	x.shown, x.heldUp = true, heldUp{}
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
		case x.followLeader():
			return atOnce, nil
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
	if x.followLeader() {
		return atOnce, nil
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
	if err := pause.For(ctx, wait); err != nil {
		return false, err
	}
	now, err := x.source.Head(ctx)
	if err != nil || now.Hash == head.Hash {
		return err == nil, err
	}
	x.foundHead(now)
	return false, nil
}
