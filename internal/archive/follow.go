package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gapless/internal/pause"
	"gapless/internal/store"
)

// A Follower adds to a dataset each range whose blocks are all stored and final.
// It reads the file beside the program that writes it.
type Follower struct {
	Reader  *store.Reader
	Dataset *Dataset
	// Confirmations is how many blocks must be above one that is final. Without it
	// the node's word counts, and DefaultConfirmations where there is none.
	Confirmations *uint64
	// Wrote, if set, is called for each range that was added.
	Wrote func(Range)
	// Waits, if set, is called once for a range that is final, but for blocks that
	// are missing.
	Waits func(first, last uint64, why *MissingError)

	epoch [8]byte
	told  map[uint64]bool // ranges that Waits was called for
}

// DefaultConfirmations is how many blocks must be above one that is final where
// the node names no finalized block: two epochs of Ethereum.
const DefaultConfirmations = 64

// lookInterval is how often a Follower looks for what is new.
const lookInterval = time.Second

// errReset says that the file is of another chain now.
var errReset = errors.New("the file was put aside, and another chain has begun: what is in the folder stays; follow the new file into another folder")

// Follow follows until ctx ends, or something is wrong with what is written
// already: the chain has left it, or the file is another.
func (f *Follower) Follow(ctx context.Context) error {
	for {
		if err := f.Step(ctx); err != nil {
			return err
		}
		if err := pause.For(ctx, lookInterval); err != nil {
			return err
		}
	}
}

// Step adds what is final now.
func (f *Follower) Step(ctx context.Context) error {
	if err := f.same(ctx); err != nil {
		return err
	}
	end, err := f.final(ctx)
	if err != nil {
		return err
	}
	start, _, err := f.Reader.Bounds(ctx)
	if err != nil {
		return err
	}
	size := f.Dataset.Size
	for first := start; first-first%size+size <= end; first += size - first%size {
		if err := f.add(ctx, first, first-first%size+size-1); err != nil {
			return err
		}
	}
	return nil
}

// same makes sure that the file has what was written of it.
func (f *Follower) same(ctx context.Context) error {
	id, err := f.Reader.Identity(ctx)
	if f.Reader.Replaced() {
		return errReset
	}
	if err != nil {
		return err
	}
	if f.told == nil {
		f.told, f.epoch = make(map[uint64]bool), id.Epoch
	}
	if id.Epoch != f.epoch {
		return errReset
	}
	left, err := f.Dataset.displaced(ctx, f.Reader)
	if err == nil && len(left) > 0 {
		r := left[len(left)-1]
		err = fmt.Errorf("blocks that were final when they were written are not in the chain any more, in the range from block %d to %d and above: "+
			"export once without --follow to write them anew", r.First, r.Last)
	}
	return err
}

// final is one past the last block that is final.
func (f *Follower) final(ctx context.Context) (end uint64, err error) {
	_, next, err := f.Reader.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	finalized, _, err := f.Reader.Finality(ctx)
	if err != nil {
		return 0, err
	}
	confirmations := uint64(DefaultConfirmations)
	switch {
	case f.Confirmations != nil:
		confirmations = *f.Confirmations
	case finalized != nil:
		confirmations = 0
	}
	end = next - min(next, confirmations)
	if finalized != nil {
		end = min(end, finalized.Number+1)
	}
	return end, nil
}

// add adds a range, unless it is there or waits for blocks.
func (f *Follower) add(ctx context.Context, first, last uint64) error {
	if there, ok := f.Dataset.Range(first); ok && there.has(first, last) {
		return nil
	}
	s, err := Select(ctx, f.Reader, &first, &last)
	if err == nil {
		var r Range
		if r, err = f.Dataset.write(ctx, s); err == nil && f.Wrote != nil {
			f.Wrote(r)
		}
	}
	why, isMissing := errors.AsType[*MissingError](err)
	switch {
	case isMissing:
		if f.Waits != nil && !f.told[first] {
			f.Waits(first, last, why)
		}
		f.told[first] = true
		return nil
	case errors.Is(err, ErrReorganised) && !f.Reader.Replaced():
		return nil // it was not final after all, and is looked at again
	}
	return err
}
