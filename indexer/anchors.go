package indexer

import (
	"context"
	"fmt"
	"time"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// anchors asks the source for the present hash of each stored block that lies
// below a gap over which a block is about to be committed. If it can't say, what
// is above that gap is missing too.
func (x *Indexer) anchors(ctx context.Context, entries []store.Entry) ([]store.Anchor, error) {
	gaps := x.gapsBelow(entries)
	if len(gaps) == 0 {
		return nil, nil
	}
	anchors, err := x.lookBelow(ctx, gaps)
	if err == nil {
		return anchors, nil
	}
	if ctx.Err() != nil || !blockFailed(err) {
		return nil, fmt.Errorf("look below a gap: %w", err)
	}
	for i := gaps[0].place; i < len(entries); i++ {
		err := fmt.Errorf("can't tell whether block %d below the gap still stands: %w", gaps[0].below.Number, err)
		entries[i] = store.Entry{Failure: chain.Failed(entries[i].Number(), err, 1, time.Now())}
	}
	return nil, nil
}

// A gap is of missing blocks, below a block that is about to be committed and
// above one that is stored or about to be.
type gap struct {
	below, above store.Anchor
	place        int // of above among the entries
}

func (x *Indexer) gapsBelow(entries []store.Entry) (gaps []gap) {
	tip := x.tip
	for i, e := range entries {
		if e.Block == nil {
			continue
		}
		at := &store.Anchor{Number: e.Block.Number, Hash: e.Block.Hash}
		if tip != nil && tip.Number+1 != at.Number {
			gaps = append(gaps, gap{*tip, *at, i})
		}
		tip = at
	}
	return gaps
}

// lookBelow gives the present hash of what is below gaps, zero for no block. If
// that is not kept any more, what is above must be the source's.
func (x *Indexer) lookBelow(ctx context.Context, gaps []gap) ([]store.Anchor, error) {
	below := make([]store.Anchor, len(gaps))
	for i := range gaps {
		below[i] = gaps[i].below
	}
	sights, err := x.look(ctx, below)
	if err != nil {
		return nil, err
	}
	for i, s := range sights {
		if below[i].Hash = s.hash; s.kept {
			continue
		}
		above, err := x.look(ctx, []store.Anchor{gaps[i].above})
		if err != nil {
			return nil, err
		}
		if !above[0].kept || above[0].hash != gaps[i].above.Hash {
			return nil, &chain.Error{Class: chain.Fork, Err: fmt.Errorf("the chain now has %s as block %d", above[0].hash, gaps[i].above.Number)}
		}
	}
	return below, nil
}
