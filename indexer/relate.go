package indexer

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A relation is how the source's chain stands to the file's.
type relation int

const (
	extends  relation = iota // it has our tip, and is at least as long
	lagging                  // it is shorter, and nothing shows that it is not ours
	reverted                 // it is shorter because the source took blocks back
	forked                   // it has another block in the place of a stored one
)

// A local is what the file has.
type local struct {
	tip  store.Anchor
	next uint64        // one past the highest number, stored or missing
	at   *store.Anchor // highest stored block up to the source's head; nil: none
}

// A remote is what one look at the source shows.
type remote struct {
	head uint64
	at   common.Hash // of its block at the number of local.at
	back bool        // it takes blocks back on purpose, is not syncing, and nobody has our tip
}

// relate compares what the file has with what the source shows. Only another
// block in a stored one's place, or a source that takes blocks back on purpose,
// says that a stored block is not of the chain any more.
func relate(l local, r remote) relation {
	switch {
	case l.at != nil && l.at.Hash != r.at:
		return forked
	case r.head+1 >= l.next:
		return extends
	case l.at == nil || !r.back:
		return lagging
	}
	return reverted
}

// observe looks at the file and at the source, by its head.
func (x *Indexer) observe(ctx context.Context, head *chain.Header) (l local, r remote, err error) {
	l, r = local{tip: *x.tip, next: x.next}, remote{head: head.Number}
	if l.at, err = x.store.Highest(ctx, head.Number); err != nil || l.at == nil {
		return l, r, err
	}
	r.at = head.Hash
	if l.at.Number < head.Number {
		headers, err := x.source.Headers(ctx, []uint64{l.at.Number})
		if err != nil {
			return l, r, err
		}
		if headers[0] == nil {
			return l, r, errMoving
		}
		r.at = headers[0].Hash
	}
	if head.Number+1 < x.next && x.followsReverts() {
		r.back, err = x.tookBack(ctx, head)
	}
	return l, r, err
}

// tookBack reports whether nothing speaks against it that a shorter chain is one
// that the source took back to there: it is not syncing, and neither it nor an
// endpoint beside it has our tip.
func (x *Indexer) tookBack(ctx context.Context, head *chain.Header) (bool, error) {
	if syncing, err := x.source.Syncing(ctx); err != nil || syncing {
		return false, err
	}
	if x.tip.Number <= head.Number {
		return true, nil // it is missing blocks that went
	}
	has, err := x.source.Holds(ctx, x.tip.Hash)
	return !has, err
}

// What to do about a source whose head is below the file's.
const (
	// FollowReverts is for a source that takes blocks back on purpose.
	FollowReverts = "follow"
	// WaitOnReverts is for one that is behind then.
	WaitOnReverts = "wait"
)

// followsReverts reports whether a source that shows a shorter chain takes blocks
// back on purpose, if nothing else was said by what it says it is.
func (x *Indexer) followsReverts() bool {
	if x.options.OnRevert == "" {
		return x.source.IsDevnet()
	}
	return x.options.OnRevert == FollowReverts
}
