package indexer

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

const (
	// finalityEvery is how often the source is asked what is final, at most.
	finalityEvery = 5 * time.Second
	// noFinalityEvery is how often if it has never said anything of it.
	noFinalityEvery = time.Minute
)

// A finality is what the source said of finalized and safe blocks.
type finality struct {
	finalized, safe *store.Tag  // as the file has them
	askAt           time.Time   // not before
	head            common.Hash // for which it was asked
	left            bool        // the file was rewound since: what it has may be of the chain before
}

// loadFinality reads what the file has.
func (x *Indexer) loadFinality(ctx context.Context) (err error) {
	x.finality.finalized, x.finality.safe, err = x.store.Finality(ctx)
	return err
}

// keepFinality asks what is finalized and safe if the head has moved since it
// was asked, and keeps it in the file. It says when to look again.
func (x *Indexer) keepFinality(ctx context.Context) time.Duration {
	f := &x.finality
	head := x.chainHead()
	if head == nil || head.Hash == f.head && !f.left {
		return 0
	}
	if wait := time.Until(f.askAt); wait > 0 {
		return wait
	}
	every := max(finalityEvery, 2*x.options.Sparing) // it takes two calls
	f.askAt = time.Now().Add(every)
	if err := x.askFinality(ctx); err != nil {
		x.log.Debug("finality is not known", "err", err)
		return every
	}
	f.head, f.left = head.Hash, false
	if f.finalized == nil && f.safe == nil {
		f.askAt = time.Now().Add(max(noFinalityEvery, every))
	}
	return 0
}

func (x *Indexer) askFinality(ctx context.Context) error {
	f := &x.finality
	finalized, err := x.tag(ctx, "finalized", f.finalized)
	if err != nil {
		return err
	}
	safe, err := x.tag(ctx, "safe", f.safe)
	if err != nil {
		return err
	}
	if sameTag(finalized, f.finalized) && sameTag(safe, f.safe) {
		return nil
	}
	if err := x.room(); err != nil {
		return err
	}
	if err := x.store.SetFinality(ctx, finalized, safe); err != nil {
		return err
	}
	f.finalized, f.safe = finalized, safe
	return nil
}

// tag asks for a tag. Where the source does not say, it stays what it was,
// unless that may be of a chain that was left.
func (x *Indexer) tag(ctx context.Context, name string, before *store.Tag) (*store.Tag, error) {
	h, err := x.source.Tag(ctx, name)
	switch {
	case err == nil:
		return &store.Tag{Number: h.Number, Hash: h.Hash}, nil
	case !blockFailed(err):
		return nil, err
	case x.finality.left:
		return nil, nil
	}
	return before, nil
}

func sameTag(a, b *store.Tag) bool { return a == b || a != nil && b != nil && *a == *b }

// leaveFinal makes sure that the file may be rewound to an ancestor. Below the
// finalized block it may if the source now calls another block finalized, or
// none. If it keeps to the one that its own chain does not have, the error is
// [ErrFinality].
func (x *Indexer) leaveFinal(ctx context.Context, ancestor *store.Anchor) error {
	final := x.finality.finalized
	if final == nil || ancestor.Number >= final.Number {
		return nil
	}
	contradicts, err := x.sure(ctx, func(ctx context.Context) (bool, error) {
		h, err := x.source.Tag(ctx, "finalized")
		if err != nil && !blockFailed(err) {
			return false, err
		}
		if err != nil || h.Hash != final.Hash {
			return false, nil
		}
		has, err := x.source.Headers(ctx, []uint64{final.Number})
		if err == nil && has[0] != nil {
			err = x.recompute(ctx, has[0]) // an answer that was spoiled contradicts nothing
		}
		if err != nil {
			return false, err
		}
		return has[0] == nil || has[0].Hash != final.Hash, nil // else it is we who lack it
	})
	if contradicts {
		return ErrFinality
	}
	return err
}
