package archive

import (
	"context"
	"errors"
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
	// Left, if set, is called for ranges that the chain has left, at least in part,
	// after they were taken away or written anew.
	Left func([]Range)
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

// Follow follows until ctx ends, or the file is of another chain.
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

// Step adds what is final now, and takes away or writes anew what the chain has
// left.
func (f *Follower) Step(ctx context.Context) error {
	if err := f.same(ctx); err != nil {
		return err
	}
	err := f.bring(ctx)
	_, isMissing := errors.AsType[*MissingError](err)
	switch {
	case f.Reader.Replaced():
		return errReset
	case isMissing, errors.Is(err, ErrReorganised):
		return nil // while it was written; it is looked at again
	}
	return err
}

func (f *Follower) bring(ctx context.Context) error {
	s, err := selectNothing(ctx, f.Reader)
	if err != nil {
		return err
	}
	u, err := f.Dataset.update(ctx, s)
	if err != nil {
		return err
	}
	if u.limit, err = f.final(ctx); err != nil {
		return err
	}
	u.wait = f.wait
	var wanted []Span
	size := f.Dataset.Size
	for first := u.start; first-first%size+size <= u.limit; first += size - first%size {
		wanted = append(wanted, Span{first, first - first%size + size - 1})
	}
	left, err := u.bring(ctx, wanted, func(r Range, written bool) {
		if written && f.Wrote != nil {
			f.Wrote(r)
		}
	})
	if len(left) > 0 && f.Left != nil {
		f.Left(left)
	}
	return err
}

// wait notes that a range waits for blocks that are missing.
func (f *Follower) wait(of Span, why *MissingError) error {
	if f.Waits != nil && !f.told[of.First] {
		f.Waits(of.First, of.Last, why)
	}
	f.told[of.First] = true
	return nil
}

// same makes sure that the file is of the chain that was written.
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
	return nil
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
