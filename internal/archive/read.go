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

// read loads the blocks of the selection, makes something of a few of them at
// a time on all cores, and delivers that in order, from one goroutine. Before, the
// blocks are verified again: what their verdict says has passed has to pass.
// They are one chain, each the parent of the next: if read returns nil, no reorg
// has come between.
func read[T any](ctx context.Context, s *Selection, checks chain.Check, convert func([]*chain.Block) (T, error), deliver func(T) error) error {
	load := func(ctx context.Context, first, last uint64, emit func(piece[T]) error) error {
		for first <= last {
			blocks, end, err := s.reader.Blocks(ctx, first, last)
			if err != nil {
				return err
			}
			p := piece[T]{first: first, end: end}
			if err := p.take(ctx, s, blocks, checks); err != nil {
				return err
			}
			if p.value, err = convert(blocks); err != nil {
				return err
			}
			if err := emit(p); err != nil {
				return err
			}
			first = end
		}
		return nil
	}
	var last common.Hash
	err := inOrder(ctx, s.From, s.To, load, func(p piece[T]) error {
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
		return nil
	})
	if err != nil && !s.reader.Replaced() {
		return err
	}
	return s.reorganised(ctx, err)
}

// A piece is what was made of blocks that follow on each other.
type piece[T any] struct {
	value        T
	first, end   uint64      // numbers; end is one past the last
	parent, hash common.Hash // of the first and the last
}

// take checks that these are the blocks from p.first up to p.end.
func (p *piece[T]) take(ctx context.Context, s *Selection, blocks []*chain.Block, checks chain.Check) error {
	number := p.first
	for i, b := range blocks {
		if b.Number != number {
			break
		}
		if i > 0 && b.ParentHash != p.hash {
			return s.reorganised(ctx, unlinked(number, b.ParentHash, p.hash))
		}
		if err := s.prove(b, checks); err != nil {
			return err
		}
		p.hash = b.Hash
		number++
	}
	if number != p.end { // gone since Select has looked
		return s.reorganised(ctx, &MissingError{[]Span{{number, number}}, s.Identity.Start, s.To + 1})
	}
	p.parent = blocks[0].ParentHash
	return nil
}

// prove makes checks of a block, whose verdict it replaces by what comes of
// them. Those that passed before must pass.
func (s *Selection) prove(b *chain.Block, checks chain.Check) error {
	passed := b.Verdict.Passed & checks
	if again := s.exempt.Verify(b, checks); passed&^again.Passed != 0 {
		return &store.FaultError{Fault: store.Fault{Promise: store.Verified, Number: b.Number, What: again.Why}}
	}
	return nil
}

func unlinked(number uint64, parent, below common.Hash) error {
	return &store.FaultError{Fault: store.Fault{Promise: store.Linked, Number: number,
		What: fmt.Sprintf("its parent is %s, but the block below it is %s", parent, below)}}
}

// inOrder works on ranges of numbers on all cores and delivers what each emits
// in order, from one goroutine. A worker waits until what it has emitted before
// is delivered, so that little is in memory however large the blocks are.
func inOrder[T any](ctx context.Context, from, to uint64,
	work func(ctx context.Context, first, last uint64, emit func(T) error) error, deliver func(T) error,
) error {
	g, ctx := errgroup.WithContext(ctx)
	outputs := make(chan chan T, runtime.GOMAXPROCS(0)) // bounds the work under way
	g.Go(func() error {
		defer close(outputs)
		for first := from; first <= to && first >= from; first += chunk {
			output := make(chan T, 1)
			select {
			case outputs <- output:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			g.Go(func() error {
				err := work(ctx, first, min(to, first+chunk-1), func(v T) error {
					select {
					case output <- v:
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				})
				if err == nil {
					close(output)
				}
				return err
			})
		}
		return nil
	})
	g.Go(func() error {
		for output := range outputs {
			if err := drain(ctx, output, deliver); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// drain delivers what comes until output is closed.
func drain[T any](ctx context.Context, output <-chan T, deliver func(T) error) error {
	for {
		select {
		case v, ok := <-output:
			if !ok {
				return nil
			}
			if err := deliver(v); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
