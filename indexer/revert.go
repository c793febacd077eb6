package indexer

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

const (
	// A source that takes blocks back has reverted once it has said less for this
	// long.
	revertedAfter         = time.Minute
	revertedAfterLoopback = 500 * time.Millisecond
	// lookAgain is the wait before an unclear matter is looked at again.
	lookAgain = 250 * time.Millisecond
	// A source is behind the file once it has been for this long: some are for a
	// moment, as several behind one balancer.
	laggingAfter         = 15 * time.Second
	laggingAfterLoopback = 500 * time.Millisecond
	// laggingLook is the wait before a source is looked at again that may yet turn
	// out to have reverted.
	laggingLook = time.Second
)

// A comparison is of the file's tip with a chain, named by its head. What a source
// says of a block below its head may have been wrong, so that it holds for a while.
type comparison struct {
	tip, head common.Hash
	at        time.Time
}

// comparedFor is how long a comparison holds.
const comparedFor = time.Minute

func (c *comparison) holds(tip, head common.Hash) bool {
	return c.tip == tip && c.head == head && time.Since(c.at) < comparedFor
}

// compare looks whether the chain still is ours when there is nothing to
// index. It notices a reorg that brought no new height, a revert, and a source
// that is behind the file.
func (x *Indexer) compare(ctx context.Context, head *chain.Header) (time.Duration, error) {
	if x.tip == nil {
		x.caughtUp()
		return whenMoved, nil
	}
	if x.compared.holds(x.tip.Hash, head.Hash) {
		return whenMoved, nil
	}
	x.compared = comparison{}
	l, r, err := x.observe(ctx, head)
	if err != nil {
		return x.unclear(ctx, err)
	}
	return x.follow(ctx, head, l, r)
}

// follow does what the relation of the source's chain to the file asks for.
func (x *Indexer) follow(ctx context.Context, head *chain.Header, l local, r remote) (time.Duration, error) {
	switch relate(l, r) {
	case forked:
		x.log.Info("a stored block is another one now", "block", l.at.Number, "hash", r.at)
		return x.reorg(ctx, false)
	case reverted:
		return x.confirmRevert(ctx, head)
	case lagging:
		return x.lag(head)
	}
	x.heldUp = heldUp{}
	x.caughtUp()
	x.compared = comparison{x.tip.Hash, head.Hash, time.Now()}
	return whenMoved, nil
}

// confirmRevert waits until it is sure that a source has taken blocks back: it
// keeps saying so.
func (x *Indexer) confirmRevert(ctx context.Context, head *chain.Header) (time.Duration, error) {
	wait, every := x.revertedAfter()
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); {
		if same, err := x.still(ctx, head, every); err != nil {
			return x.unclear(ctx, err)
		} else if !same || x.followLeader() {
			return atOnce, nil
		}
	}
	l, r, err := x.observe(ctx, head)
	switch {
	case err != nil:
		return x.unclear(ctx, err)
	case relate(l, r) != reverted || x.followLeader():
		return atOnce, nil
	}
	x.log.Info("the node reverted", "block", head.Number)
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

// lag waits for a source that is behind the file. It says when to look again, or
// ends a run that has its end at the source's head.
func (x *Indexer) lag(head *chain.Header) (time.Duration, error) {
	if x.laggingSince.IsZero() {
		x.laggingSince = time.Now()
	}
	if x.hasAll() && !x.options.Latest {
		return whenMoved, nil
	}
	if left := time.Until(x.laggingSince.Add(x.laggingAfter())); left > 0 {
		return min(left, laggingLook), nil
	}
	if x.options.Latest {
		return 0, &LaggingError{Head: head.Number, File: x.next - 1}
	}
	x.setState(stateLagging)
	if !x.setLagging(true) {
		x.log.Warn("the node is behind this file: waiting; nothing is deleted", "node", head.Number, "file", x.next-1)
	}
	if x.followsReverts() {
		return max(laggingLook, x.options.Sparing), nil
	}
	return whenMoved, nil
}

// stateLagging is the state while the source is behind the file.
const stateLagging = "waiting for the node, which is behind this file"

// caughtUp notes that the source is not behind the file.
func (x *Indexer) caughtUp() {
	x.laggingSince = time.Time{}
	if x.setLagging(false) {
		x.log.Info("the node is not behind this file any more")
	}
}

func (x *Indexer) laggingAfter() time.Duration {
	if x.options.Loopback {
		return laggingAfterLoopback
	}
	return laggingAfter
}

// A LaggingError says that the source is behind the file, so that the file's end
// can't be compared with it. Nothing was changed.
type LaggingError struct{ Head, File uint64 }

func (e *LaggingError) Error() string {
	return fmt.Sprintf("the node is at block %d, this file at %d: the node is behind, and nothing was deleted", e.Head, e.File)
}
