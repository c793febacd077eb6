package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// Index fetches and verifies blocks, once. It gives an entry for each number,
// in their order: the block, or why it can't be had. Where blocks are large it
// gives entries for the first numbers only, at least one. Its error is of the
// endpoint. It is the one way by which a block is indexed: at the head, while
// catching up and when a missing block is retried.
func (x *Indexer) Index(ctx context.Context, numbers []uint64) ([]store.Entry, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	var entries []store.Entry
	err := x.first(numbers, func(numbers []uint64, most int64) (err error) {
		entries, _, err = x.index(ctx, numbers, most, chain.AllChecks, x.aside)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, x.checkLone(ctx, entries)
}

// first calls f with as many of the first numbers as should be indexed at once
// and the bytes that they may take, and with fewer if they take more.
func (x *Indexer) first(numbers []uint64, f func(numbers []uint64, most int64) error) error {
	for {
		numbers = numbers[:x.size.blocksIn(spanBytes, len(numbers))]
		if err := f(numbers, x.size.most(len(numbers))); !isTooLarge(err) {
			return err
		}
	}
}

// isTooLarge reports whether blocks took more than they may.
func isTooLarge(err error) bool {
	e, ok := errors.AsType[*chain.Error](err)
	return ok && e.Class == chain.TooLarge
}

// index also gives the bytes of JSON that the blocks took. If that is more than
// they may, its error is of class TooLarge, and the sizes are larger. Of blocks
// that may take as much as they want, those with the same slot are fetched and
// verified one at a time.
func (x *Indexer) index(ctx context.Context, numbers []uint64, most int64, checks chain.Check, slot chan struct{}) ([]store.Entry, int64, error) {
	if most == 0 {
		select {
		case slot <- struct{}{}:
			defer func() { <-slot }()
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
	results, err := x.source.Blocks(ctx, numbers, most)
	if isTooLarge(err) {
		x.size.tooLarge(most, len(numbers))
	}
	if err != nil {
		return nil, 0, err
	}
	if len(results) != len(numbers) {
		return nil, 0, fmt.Errorf("index: %d results for %d blocks", len(results), len(numbers))
	}
	entries, bytes := make([]store.Entry, len(numbers)), int64(0)
	for i, r := range results {
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		x.size.saw(r.Bytes)
		err := r.Err
		if err == nil {
			err = x.verify(ctx, r.Block, numbers[i], checks)
			if err != nil && !errors.As(err, new(*chain.Error)) {
				return nil, 0, err
			}
		}
		if err == nil {
			entries[i].Block = r.Block
			bytes += int64(r.Bytes)
			continue
		}
		if x.options.Fixed && chain.ClassOf(err) != chain.Pruned {
			return nil, 0, &WrongError{numbers[i], err}
		}
		entries[i].Failure = chain.Failed(numbers[i], err, 1, time.Now())
	}
	return entries, bytes, nil
}

// A WrongError says that a source that never changes has a block wrong.
type WrongError struct {
	Number uint64
	Err    error // why
}

func (e *WrongError) Error() string { return fmt.Sprintf("block %d is refused: %s", e.Number, e.Err) }

// verify says why a block can't be stored, if so. Errors without a class are of
// the file.
func (x *Indexer) verify(ctx context.Context, b *chain.Block, number uint64, checks chain.Check) error {
	if b.Number != number {
		return &chain.Error{Class: chain.Invalid, Err: fmt.Errorf("asked for block %d, got %d", number, b.Number)}
	}
	if x.options.Level == chain.Off {
		return nil
	}
	if x.options.Level == chain.Strict {
		checks = chain.AllChecks
	}
	verdict := chain.Verify(b, checks)
	switch {
	case verdict.Verified():
		x.doubts.passed(b, checks)
		return nil
	case x.options.Level == chain.Auto:
		return x.judge(ctx, b, checks)
	}
	if err := x.options.Level.Accept(verdict); err != nil {
		return x.refused(number, err)
	}
	if x.options.Fixed {
		return nil
	}
	return x.doubts.believe(b, verdict)
}

// A rejecter is a source of several endpoints. It is told of blocks that turned
// out to be wrong, to ask another endpoint the next time.
type rejecter interface{ Reject(number uint64) }

// The inline tries of a block, before it is recorded as missing.
const (
	inlineTries  = 3
	inlineBudget = 2 * time.Second
	firstPause   = 50 * time.Millisecond
)

// indexTries is index with further tries, soon after, of what failed.
func (x *Indexer) indexTries(ctx context.Context, numbers []uint64, most int64, target uint64) ([]store.Entry, int64, error) {
	checks := chain.Check(chain.QuickChecks)
	near := numbers[len(numbers)-1]+nearHead > target
	if near {
		checks = chain.AllChecks
	}
	until := time.Now().Add(inlineBudget)
	entries, bytes, err := x.index(ctx, numbers, most, checks, x.alone)
	if err != nil || x.options.Fixed {
		return entries, bytes, err
	}
	wait := firstPause
	for tries := 2; ; tries++ {
		again := toTryAgain(entries, tries, near)
		if len(again) == 0 || time.Now().Add(wait).After(until) {
			return entries, bytes, x.exist(ctx, entries)
		}
		if err := pause.For(ctx, wait); err != nil {
			return nil, 0, err
		}
		wait *= 2
		more, moreBytes, err := x.index(ctx, again, most, checks, x.alone)
		if err != nil {
			return nil, 0, err
		}
		merge(entries, more, tries)
		bytes += moreBytes
	}
}

// toTryAgain gives the numbers of the failures that are worth another try: not
// what is pruned or was not answered for. Near the head, what is not there yet is
// so for longer.
func toTryAgain(entries []store.Entry, tries int, near bool) (again []uint64) {
	for _, e := range entries {
		f := e.Failure
		switch {
		case f == nil || f.Class == chain.Pruned || f.Class == chain.Timeout:
		case tries <= inlineTries || near && f.Class == chain.NotYet:
			again = append(again, f.Number)
		}
	}
	return again
}

// merge puts the outcome of a further try in the place of the one before.
func merge(entries, more []store.Entry, tries int) {
	for i := range entries {
		if entries[i].Failure == nil || len(more) == 0 || more[0].Number() != entries[i].Number() {
			continue
		}
		entries[i] = more[0]
		if f := entries[i].Failure; f != nil {
			f.Tries = tries
		}
		more = more[1:]
	}
}

// exist makes sure that a block that the source says it does not have is not
// above its head: the chain may have become shorter, and what was never there
// is not missing.
func (x *Indexer) exist(ctx context.Context, entries []store.Entry) error {
	highest, found := uint64(0), false
	for _, e := range entries {
		if e.Failure != nil && e.Failure.Class == chain.NotYet {
			highest, found = e.Failure.Number, true
		}
	}
	if !found {
		return nil
	}
	head, err := x.source.Head(ctx)
	if err != nil {
		return err
	}
	if head.Number < highest {
		x.foundHead(head)
		return fmt.Errorf("%w: it ends at block %d", errMoving, head.Number)
	}
	return nil
}
