package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A Comparison is of the blocks of two files, A and B. Two blocks are equal if
// their canonical forms are, so that ranges without a difference have the same
// digest.
type Comparison struct {
	OnlyA, OnlyB       []Span // within the bounds asked for, but outside of the other file
	MissingA, MissingB []Span // known to be missing in one file, and not outside of the other
	Common             Span   // what both files are of; First > Last if nothing
	Compared           uint64 // blocks that both have

	// Progress, if set, is called in between with the number of blocks done.
	Progress func(done uint64)

	a, b *Selection // of Common, which may have blocks missing
}

// An OtherChainError says that two files are of different chains.
type OtherChainError struct{ A, B store.Identity }

func (e *OtherChainError) Error() string {
	switch a, b := e.A, e.B; {
	case a.ChainID != b.ChainID:
		return fmt.Sprintf("the files are of different chains: chain id %d and %d", a.ChainID, b.ChainID)
	case a.Genesis != b.Genesis:
		return fmt.Sprintf("the files are of different chains: genesis %s and %s", a.Genesis, b.Genesis)
	}
	return "the files are of different forks of a live chain"
}

// Compare prepares the comparison of two files: identities and ranges. Nil for
// from or to is no bound. It fails with an [*OtherChainError].
func Compare(ctx context.Context, a, b *store.Reader, from, to *uint64) (*Comparison, error) {
	c := new(Comparison)
	spanA, selA, err := extent(ctx, a, from, to)
	if err != nil {
		return nil, fmt.Errorf("file A: %w", err)
	}
	spanB, selB, err := extent(ctx, b, from, to)
	if err != nil {
		return nil, fmt.Errorf("file B: %w", err)
	}
	if !selA.Identity.SameChain(selB.Identity) {
		return nil, &OtherChainError{selA.Identity, selB.Identity}
	}
	c.Common = Span{max(spanA.First, spanB.First), min(spanA.Last, spanB.Last)}
	c.OnlyA, c.OnlyB = spanA.without(c.Common), spanB.without(c.Common)
	c.a, c.b = selA, selB
	for _, s := range []struct {
		*Selection
		missing *[]Span
	}{{selA, &c.MissingA}, {selB, &c.MissingB}} {
		s.From, s.To = c.Common.First, c.Common.Last
		if *s.missing, err = c.missing(ctx, s.reader); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// extent is the numbers that a file is of, within bounds.
func extent(ctx context.Context, r *store.Reader, from, to *uint64) (Span, *Selection, error) {
	seq, err := r.JournalEnd(ctx)
	if err != nil {
		return Span{}, nil, err
	}
	id, err := r.Identity(ctx)
	if err != nil {
		return Span{}, nil, err
	}
	next, err := r.Next(ctx)
	if err != nil {
		return Span{}, nil, err
	}
	if next == id.Start {
		return Span{}, nil, &MissingError{Start: next, Next: next}
	}
	s := Span{id.Start, next - 1}
	if from != nil {
		s.First = max(s.First, *from)
	}
	if to != nil {
		s.Last = min(s.Last, *to)
	}
	return s, &Selection{Identity: id, reader: r, seq: seq}, nil
}

func (c *Comparison) missing(ctx context.Context, r *store.Reader) ([]Span, error) {
	if c.Common.First > c.Common.Last {
		return nil, nil
	}
	return missing(ctx, r, c.Common.First, c.Common.Last, c.Common.First, c.Common.Last+1)
}

// without gives what is left of a span. The two overlap, or there is nothing in other.
func (s Span) without(other Span) (left []Span) {
	if other.First > other.Last {
		if s.First <= s.Last {
			left = append(left, s)
		}
		return left
	}
	if s.First < other.First {
		left = append(left, Span{s.First, other.First - 1})
	}
	if s.Last > other.Last {
		left = append(left, Span{other.Last + 1, s.Last})
	}
	return left
}

// ErrStop is what a function returns that wants no more.
var ErrStop = errors.New("stop")

// Differences compares the blocks that both files have and calls found for each
// difference, in order, until there are none or it returns [ErrStop].
func (c *Comparison) Differences(ctx context.Context, found func(Difference) error) error {
	if c.Common.First > c.Common.Last {
		return nil
	}
	err := inOrder(ctx, c.Common.First, c.Common.Last, c.compare, func(r compared) error {
		for _, d := range r.differences {
			if err := found(d); err != nil {
				return err
			}
		}
		c.Compared += r.blocks
		if c.Progress != nil {
			c.Progress(r.end - c.Common.First)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrStop) && !c.a.reader.Replaced() && !c.b.reader.Replaced() {
		return err
	}
	return errors.Join(c.a.reorganised(ctx, nil), c.b.reorganised(ctx, nil))
}

// compared is what came of a range.
type compared struct {
	end         uint64 // one past its last number
	blocks      uint64
	differences []Difference
}

func (c *Comparison) compare(ctx context.Context, first, last uint64, emit func(compared) error) error {
	for first <= last {
		inA, end, err := c.a.reader.Blocks(ctx, first, last)
		if err != nil {
			return fmt.Errorf("file A: %w", err)
		}
		inB, err := c.b.blocks(ctx, first, end-1)
		if err != nil {
			return fmt.Errorf("file B: %w", err)
		}
		r := compared{end: end}
		for _, a := range inA {
			if b := inB[a.Number]; b != nil {
				r.blocks++
				if !bytes.Equal(a.AppendCanonical(nil), b.AppendCanonical(nil)) {
					r.differences = append(r.differences, differences(a, b)...)
				}
			}
		}
		if err := emit(r); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// blocks gives the stored blocks of a range by number.
func (s *Selection) blocks(ctx context.Context, first, last uint64) (map[uint64]*chain.Block, error) {
	all := make(map[uint64]*chain.Block)
	for first <= last {
		blocks, end, err := s.reader.Blocks(ctx, first, last)
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			all[b.Number] = b
		}
		first = end
	}
	return all, nil
}
