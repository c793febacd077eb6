package archive

import (
	"context"
	"fmt"
	"runtime"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// chunk is how many block numbers are worked on together.
const chunk = 64

// read loads the blocks of the selection, makes something of each few of them
// on all cores, and delivers that in order, from one goroutine. Before, the
// blocks are verified again: what their verdict says has passed has to pass.
// They are one chain, each the parent of the next: if read returns nil, no reorg
// has come between.
func read[T any](ctx context.Context, s *Selection, checks chain.Check, make func([]*chain.Block) (T, error), deliver func(T) error) error {
	load := func(ctx context.Context, first, last uint64) (pieces []piece[T], err error) {
		for next := first; next <= last; {
			var blocks []*chain.Block
			if blocks, next, err = s.reader.Blocks(ctx, next, last); err != nil {
				return nil, err
			}
			p := piece[T]{first: first}
			if err := p.take(ctx, s, blocks, next, checks); err != nil {
				return nil, err
			}
			if p.value, err = make(blocks); err != nil {
				return nil, err
			}
			pieces, first = append(pieces, p), next
		}
		return pieces, nil
	}
	var last common.Hash
	err := inOrder(ctx, s.From, s.To, load, func(pieces []piece[T]) error {
		for _, p := range pieces {
			if p.first > s.From && p.parent != last {
				return s.reorganised(ctx, unlinked(p.first, p.parent, last))
			}
			last = p.hash
			if err := deliver(p.value); err != nil {
				return err
			}
			if s.Progress != nil {
				s.Progress(p.end - s.From)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.reorganised(ctx, nil)
}

// A piece is what was made of blocks that follow on each other.
type piece[T any] struct {
	value        T
	first, end   uint64      // numbers; end is one past the last
	parent, hash common.Hash // of the first and the last
}

// take checks that these are the blocks from p.first up to end.
func (p *piece[T]) take(ctx context.Context, s *Selection, blocks []*chain.Block, end uint64, checks chain.Check) error {
	number := p.first
	for i, b := range blocks {
		if b.Number != number {
			break
		}
		if i > 0 && b.ParentHash != p.hash {
			return s.reorganised(ctx, unlinked(number, b.ParentHash, p.hash))
		}
		if err := prove(b, checks); err != nil {
			return err
		}
		p.hash = b.Hash
		number++
	}
	if number != end { // gone since Select has looked
		return s.reorganised(ctx, &MissingError{[]Span{{number, number}}, s.Identity.Start, s.To + 1})
	}
	p.parent, p.end = blocks[0].ParentHash, end
	return nil
}

// prove makes checks of a block, whose verdict it replaces by what comes of
// them. Those that passed before must pass.
func prove(b *chain.Block, checks chain.Check) error {
	passed := b.Verdict.Passed & checks
	if again := chain.Verify(b, checks); passed&^again.Passed != 0 {
		return &store.FaultError{Fault: store.Fault{Promise: store.Verified, Number: b.Number, What: again.Why}}
	}
	return nil
}

func unlinked(number uint64, parent, below common.Hash) error {
	return &store.FaultError{Fault: store.Fault{Promise: store.Linked, Number: number,
		What: fmt.Sprintf("its parent is %s, but the block below it is %s", parent, below)}}
}

// inOrder works on ranges of numbers on all cores and delivers the results in
// order, from one goroutine.
func inOrder[T any](ctx context.Context, from, to uint64, work func(ctx context.Context, first, last uint64) (T, error), deliver func(T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	results := make(chan chan T, runtime.GOMAXPROCS(0)) // bounds the work under way
	g.Go(func() error {
		defer close(results)
		for first := from; first <= to && first >= from; first += chunk {
			result := make(chan T, 1)
			select {
			case results <- result:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			g.Go(func() error {
				v, err := work(ctx, first, min(to, first+chunk-1))
				if err == nil {
					result <- v
				}
				return err
			})
		}
		return nil
	})
	g.Go(func() error {
		for result := range results {
			select {
			case v := <-result:
				if err := deliver(v); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return g.Wait()
}
