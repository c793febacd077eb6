package indexer

import (
	"context"
	"errors"
	"time"

	"gapless/internal/store"
)

// shallow is how many blocks a rewind that leaves no more than the start block
// may leave behind off loopback before it is a reset.
const shallow = 128

// belowStart gives the block below the start block, which the file does not
// have, as the ancestor of a reorg that replaced the start block too. Where that
// leaves behind so much that it had better be kept, or the genesis is another,
// it returns [errNoAncestor].
func (x *Indexer) belowStart(ctx context.Context) (*store.Anchor, error) {
	start := x.start
	if start == 0 || x.next == start || x.options.Loopback || x.next-start > shallow {
		return nil, errNoAncestor
	}
	if err := x.sameChain(ctx); err != nil {
		if errors.As(err, new(*store.IdentityError)) {
			err = errNoAncestor // reset tells what it is
		}
		return nil, err
	}
	headers, err := x.source.Headers(ctx, []uint64{start - 1})
	if err != nil {
		return nil, err
	}
	if headers[0] == nil {
		return nil, errMoving
	}
	return &store.Anchor{Number: start - 1, Hash: headers[0].Hash}, nil
}

// onlyStart reports whether a rewind to the ancestor leaves no more than the
// start block, and so much behind that it had better be kept.
func (x *Indexer) onlyStart(ancestor *store.Anchor) bool {
	if ancestor.Number != x.start || x.tip == nil || x.tip.Number == ancestor.Number {
		return false
	}
	return x.options.Loopback || x.tip.Number-ancestor.Number > shallow
}

// reset ends the run if it is sure that the chain was reset.
func (x *Indexer) reset(ctx context.Context) (time.Duration, error) {
	x.setState("looking whether the chain was reset")
	sure, err := x.sure(ctx, x.gone)
	switch {
	case sure:
		return 0, ErrReset
	case err != nil:
		return x.unclear(ctx, err)
	}
	if x.next == x.start {
		x.misfit.prove() // nothing is stored
	}
	return lookAgain, nil
}

// gone looks whether the chain was reset: it has another genesis, or no stored
// block but perhaps the first is part of it. A source that has nothing in their
// places is behind, unless it takes blocks back on purpose. A source of another
// chain is an [*store.IdentityError].
func (x *Indexer) gone(ctx context.Context) (bool, error) {
	if err := x.sameChain(ctx); err != nil {
		e, ok := errors.AsType[*store.IdentityError](err)
		if ok && e.File.ChainID == e.Node.ChainID {
			return true, nil
		}
		return false, err
	}
	if x.next == x.start {
		return false, nil // nothing is stored yet that could be gone
	}
	head, err := x.source.Head(ctx)
	if err != nil {
		return false, err
	}
	ancestor, departure, err := x.ancestor(ctx, head)
	none := errors.Is(err, errNoAncestor)
	switch {
	case err != nil && !none:
		return false, err
	case !departure.other && !x.followsReverts():
		return false, nil
	}
	return none || x.onlyStart(ancestor), nil
}
