// Package archive is what goes in and out of a file as other files: the blocks
// of a range as JSON lines, CSV, RLP or a canonical SQLite file, the digest of
// a range, and what differs between two files.
package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// ErrReorganised: the chain left blocks while they were read. What was written
// of them is worth nothing.
var ErrReorganised = errors.New("the chain was reorganised while its blocks were read; try again, or end at a lower block with --to")

// A Span is block numbers from First to Last.
type Span struct{ First, Last uint64 }

func (s Span) String() string {
	if s.First == s.Last {
		return fmt.Sprint(s.First)
	}
	return fmt.Sprintf("%d to %d", s.First, s.Last)
}

// A MissingError says that blocks of the range are not in the file.
type MissingError struct {
	Spans []Span // in order
	Start uint64 // the file's start block
	Next  uint64 // one past its head
}

func (e *MissingError) Error() string {
	const most = 5
	var shown []string
	for _, s := range e.Spans[:min(len(e.Spans), most)] {
		shown = append(shown, s.String())
	}
	if len(e.Spans) > most {
		shown = append(shown, fmt.Sprintf("and %d more such ranges", len(e.Spans)-most))
	}
	where := fmt.Sprintf("the file is of blocks %s", Span{e.Start, e.Next - 1})
	if e.Next == e.Start {
		return "there is no block in the file yet"
	}
	return fmt.Sprintf("blocks are missing: %s (%s)", strings.Join(shown, ", "), where)
}

// A Selection is the blocks of a file in a range, none of which is missing.
type Selection struct {
	From, To uint64
	Identity store.Identity
	// Progress, if set, is called in between with the number of blocks done.
	Progress func(done uint64)

	reader *store.Reader
	exempt chain.Exemptions
	seq    int64 // the journal's end before anything was read
}

// Select selects the blocks from a number to another; nil is the file's first
// or last. It fails with a [*MissingError] if one of them is missing.
func Select(ctx context.Context, r *store.Reader, from, to *uint64) (*Selection, error) {
	s, err := selectNothing(ctx, r)
	if err != nil {
		return nil, err
	}
	next, err := r.Next(ctx)
	if err != nil {
		return nil, err
	}
	start := s.Identity.Start
	s.From, s.To = start, max(start, next-1)
	if from != nil {
		s.From = *from
	}
	if to != nil {
		s.To = *to
	}
	spans, err := missing(ctx, r, s.From, s.To, start, next)
	if err == nil && len(spans) > 0 {
		err = &MissingError{spans, start, next}
	}
	return s, err
}

// selectNothing selects no blocks yet.
func selectNothing(ctx context.Context, r *store.Reader) (*Selection, error) {
	s := &Selection{reader: r}
	var err error
	if s.seq, err = r.JournalEnd(ctx); err != nil {
		return nil, err
	}
	if s.Identity, err = r.Identity(ctx); err != nil {
		return nil, err
	}
	s.exempt, err = r.Exemptions(ctx)
	return s, err
}

// missing gives what of the range is not stored: outside of the file, or known
// to be missing.
func missing(ctx context.Context, r *store.Reader, from, to, start, next uint64) (spans []Span, err error) {
	add := func(first, last uint64) {
		if n := len(spans); n > 0 && spans[n-1].Last+1 == first {
			spans[n-1].Last = last
		} else if first <= last {
			spans = append(spans, Span{first, last})
		}
	}
	if from < start {
		add(from, min(to, start-1))
	}
	const chunk = 10_000
	for at := max(from, start); at <= to; {
		failed, err := r.FailedFrom(ctx, at, chunk)
		if err != nil {
			return nil, err
		}
		for _, f := range failed {
			if f.Number > to {
				break
			}
			add(f.Number, f.Number)
		}
		if len(failed) < chunk {
			break
		}
		at = failed[chunk-1].Number + 1
	}
	if to >= next {
		add(max(from, next), to)
	}
	return spans, nil
}

// reorganised explains blocks that do not fit together: by a rewind, if there
// was one in the range, or another file in the place of this one, else by
// otherwise.
func (s *Selection) reorganised(ctx context.Context, otherwise error) error {
	if s.reader.Replaced() {
		return ErrReorganised
	}
	lowest, err := s.reader.Rewound(ctx, s.seq)
	if err != nil {
		return err
	}
	id, err := s.reader.Identity(ctx)
	switch {
	case errors.Is(err, store.ErrNoChain):
		return ErrReorganised
	case err != nil:
		return err
	case lowest <= s.To || id.Epoch != s.Identity.Epoch:
		return ErrReorganised
	}
	return otherwise
}
