package indexer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A lone block is one inside a gap that touches no stored block, so that
// nothing in the file says whether it is of the same chain.
type lone struct {
	place  int // in the entries
	sights []store.Anchor
}

// checkLone makes failures of lone blocks unless the source, at one time, has
// them and the nearest stored blocks. What a chain that is not the file's puts
// into a gap could push its way down through the file.
func (x *Indexer) checkLone(ctx context.Context, entries []store.Entry) error {
	lones, err := x.lones(ctx, entries)
	if err != nil || len(lones) == 0 {
		return err
	}
	theirs, err := x.lookAround(ctx, lones)
	if err != nil && (ctx.Err() != nil || !blockFailed(err)) {
		return err
	}
	for _, l := range lones {
		why := err
		for i, s := range l.sights {
			now := theirs[s.Number]
			if now.hash == s.Hash && (now.kept || i == 0) { // only what is below may have been forgotten
				continue
			}
			if err == nil && (now.hash != common.Hash{} || s.Number > 0) { // a node may be without its genesis
				why = &chain.Error{Class: chain.Fork, Err: fmt.Errorf("the chain now has %s as block %d, not %s", now.hash, s.Number, s.Hash)}
			}
		}
		if why != nil {
			entries[l.place] = store.Entry{Failure: chain.Failed(entries[l.place].Number(), why, 1, time.Now())}
		}
	}
	return nil
}

// lones finds the lone blocks, and what must be of their chain too.
func (x *Indexer) lones(ctx context.Context, entries []store.Entry) (found []lone, err error) {
	for i, e := range entries {
		if e.Block == nil {
			continue
		}
		n := e.Block.Number
		touching, err := x.store.HashesBetween(ctx, max(n, 1)-1, n+1)
		if err != nil {
			return nil, err
		}
		if len(touching) > 0 {
			continue
		}
		sights, err := x.nearest(ctx, n)
		if err != nil {
			return nil, err
		}
		found = append(found, lone{i, append(sights, store.Anchor{Number: n, Hash: e.Block.Hash})})
	}
	return found, nil
}

// nearest gives the stored blocks below and above a number, or the genesis where
// there is none below.
func (x *Indexer) nearest(ctx context.Context, number uint64) (sights []store.Anchor, err error) {
	below, err := x.store.Highest(ctx, number)
	if err != nil {
		return nil, err
	}
	if below == nil {
		file, err := x.store.Identity(ctx)
		if err != nil {
			return nil, err
		}
		below = &store.Anchor{Hash: file.Genesis}
	}
	sights = append(sights, *below)
	highest, err := x.store.Highest(ctx, math.MaxInt64)
	if err != nil || highest == nil || highest.Number < number {
		return sights, err
	}
	const chunk = 1000
	for from := number + 1; from <= highest.Number; from += chunk {
		above, err := x.store.HashesBetween(ctx, from, from+chunk-1)
		if err != nil {
			return nil, err
		}
		if len(above) > 0 {
			return append(sights, above[0]), nil
		}
	}
	return sights, nil
}

// lookAround asks for all that lone blocks see, by number.
func (x *Indexer) lookAround(ctx context.Context, lones []lone) (map[uint64]sight, error) {
	var seen []store.Anchor
	for _, l := range lones {
		seen = append(seen, l.sights...)
	}
	slices.SortFunc(seen, func(a, b store.Anchor) int { return cmp.Compare(a.Number, b.Number) })
	seen = slices.Compact(seen)
	sights, err := x.look(ctx, seen)
	if err != nil {
		return nil, err
	}
	now := make(map[uint64]sight)
	for i, s := range seen {
		now[s.Number] = sights[i]
	}
	return now, nil
}
