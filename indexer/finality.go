package indexer

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
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
	rewinds         int         // of the file
	asking          bool
	answers         chan finalityAnswer // buffered, 1
}

// A finalityAnswer is what came of asking once.
type finalityAnswer struct {
	finalized, safe *store.Tag
	head            common.Hash // when it was asked
	rewinds         int         // before it was asked
	err             error
}

// loadFinality reads what the file has.
func (x *Indexer) loadFinality(ctx context.Context) (err error) {
	x.finality.answers = make(chan finalityAnswer, 1)
	x.finality.finalized, x.finality.safe, err = x.store.Finality(ctx)
	return err
}

// keepFinality asks what is finalized and safe if the head has moved since it
// was asked, and keeps the answer in the file when it comes: it may take its
// time, and holds up nothing. What a source that is behind the file says is of no
// use. It says when to look again.
func (x *Indexer) keepFinality(ctx context.Context) time.Duration {
	f := &x.finality
	select {
	case a := <-f.answers:
		f.asking = false
		x.takeFinality(ctx, a)
	default:
	}
	head := x.chainHead()
	if f.asking || !x.asksFinality(head) {
		return 0
	}
	if wait := time.Until(f.askAt); wait > 0 {
		return wait
	}
	f.askAt, f.asking = time.Now().Add(x.finalityEvery()), true
	before := *f
	x.background.Go(func() {
		f.answers <- x.askFinality(ctx, before, head.Hash)
		poke(x.moved)
	})
	return 0
}

// asksFinality reports whether there is anything to ask at a head.
func (x *Indexer) asksFinality(head *chain.Header) bool {
	f := &x.finality
	return head != nil && x.laggingSince.IsZero() && (head.Hash != f.head || f.left)
}

// finalityEvery is how often it is asked, at most. It takes two calls.
func (x *Indexer) finalityEvery() time.Duration { return max(finalityEvery, 2*x.options.Sparing) }

// askFinality asks what is finalized and safe.
func (x *Indexer) askFinality(ctx context.Context, before finality, head common.Hash) finalityAnswer {
	a := finalityAnswer{head: head, rewinds: before.rewinds}
	if a.finalized, a.err = x.tag(ctx, "finalized", before.finalized, before.left); a.err == nil {
		a.safe, a.err = x.tag(ctx, "safe", before.safe, before.left)
	}
	return a
}

// takeFinality keeps an answer in the file, unless it is of a chain that was left
// since.
func (x *Indexer) takeFinality(ctx context.Context, a finalityAnswer) {
	f := &x.finality
	if a.err == nil && a.rewinds == f.rewinds {
		a.err = x.storeFinality(ctx, a)
	}
	if a.err != nil {
		x.log.Debug("finality is not known", "err", a.err)
		return
	}
	if a.rewinds != f.rewinds {
		return
	}
	f.head, f.left = a.head, false
	if f.finalized == nil && f.safe == nil {
		f.askAt = time.Now().Add(max(noFinalityEvery, x.finalityEvery()))
	}
}

func (x *Indexer) storeFinality(ctx context.Context, a finalityAnswer) error {
	f := &x.finality
	if sameTag(a.finalized, f.finalized) && sameTag(a.safe, f.safe) {
		return nil
	}
	if err := x.room(); err != nil {
		return err
	}
	if err := x.store.SetFinality(ctx, a.finalized, a.safe); err != nil {
		return err
	}
	f.finalized, f.safe = a.finalized, a.safe
	return nil
}

// tag asks for a tag. Where the source does not say, it stays what it was,
// unless that may be of a chain that was left.
func (x *Indexer) tag(ctx context.Context, name string, before *store.Tag, left bool) (*store.Tag, error) {
	h, err := x.source.Tag(ctx, name)
	switch {
	case err == nil:
		return &store.Tag{Number: h.Number, Hash: h.Hash}, nil
	case !blockFailed(err):
		return nil, err
	case left:
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
