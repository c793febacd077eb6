package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// SourceOptions say how to read archives. What they leave out is taken from the
// archives, where these tell.
type SourceOptions struct {
	Receipts []string     // files with the receipts of files of RLP blocks, one each
	From, To *uint64      // numbers of the first and the last block that are wanted
	ChainID  *uint64      // of the chain, for archives that do not tell
	Genesis  *common.Hash // hash of block 0, for archives that do not tell
}

// A Source gives the blocks of archives to an indexer, as a node would. They are
// found once and read when they are asked for: nothing is held but where they
// are.
type Source struct {
	closers []io.Closer
	blocks  []located // by number, each once
	head    *chain.Header

	id       chain.Identity
	forkedAt *store.Tag
}

// A located block is one that was found in an archive.
type located struct {
	number uint64
	in     container
	at     int // which one of the container's
}

// A container is a file with blocks in it.
type container interface {
	// numbers gives the numbers of the blocks, in the order of the file.
	numbers() []uint64
	// block reads the block at a place of that order. Wrong data is an error of
	// class Invalid. bytes is about what a node's answer would take.
	block(at int) (b *chain.Block, bytes int, err error)
	// origin says of which chain the blocks are, as far as the file tells.
	origin() origin
	name() string
}

// An origin is what an archive tells of its chain.
type origin struct {
	chainID *uint64
	genesis *common.Hash
	client  string
	fork    *store.Tag
}

// ErrUnknownChain says that neither archives nor options tell the chain.
var ErrUnknownChain = errors.New("the archives do not tell of which chain they are")

// OpenSource opens archives of one chain: JSON lines as export writes them, era1,
// or RLP blocks with their receipts; the first also compressed by gzip or zstd,
// as any of them may be. "-" is the standard input.
func OpenSource(ctx context.Context, paths []string, o SourceOptions) (_ *Source, err error) {
	s := new(Source)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	containers, err := s.open(ctx, paths, o.Receipts)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		for at, number := range c.numbers() {
			if (o.From == nil || number >= *o.From) && (o.To == nil || number <= *o.To) {
				s.blocks = append(s.blocks, located{number, c, at})
			}
		}
	}
	slices.SortStableFunc(s.blocks, func(a, b located) int { return cmp.Compare(a.number, b.number) })
	s.blocks = slices.CompactFunc(s.blocks, func(a, b located) bool { return a.number == b.number })
	if len(s.blocks) == 0 {
		return nil, errors.New("the archives have none of the blocks")
	}
	last, _, err := s.read(s.blocks[len(s.blocks)-1])
	if err != nil {
		return nil, err
	}
	s.head = &last.Header
	return s, s.identify(ctx, containers, o)
}

// Close closes the archives.
func (s *Source) Close() (err error) {
	for _, c := range s.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

// First and Last are the numbers of the first and the last block.
func (s *Source) First() uint64 { return s.blocks[0].number }
func (s *Source) Last() uint64  { return s.blocks[len(s.blocks)-1].number }

// Has reports whether there is a block of this number.
func (s *Source) Has(number uint64) bool {
	_, ok := s.find(number)
	return ok
}

// Fork gives the block at which the chain was forked from a live one, nil if it
// is no fork.
func (s *Source) Fork() *store.Tag { return s.forkedAt }

func (s *Source) find(number uint64) (located, bool) {
	i, ok := slices.BinarySearchFunc(s.blocks, number, func(l located, n uint64) int { return cmp.Compare(l.number, n) })
	if !ok {
		return located{}, false
	}
	return s.blocks[i], true
}

// read reads a block. Its error names the block and the file.
func (s *Source) read(l located) (*chain.Block, int, error) {
	b, bytes, err := l.in.block(l.at)
	if err == nil && b.Number != l.number {
		err = &chain.Error{Class: chain.Invalid, Err: fmt.Errorf("there is block %d in its place", b.Number)}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: block %d: %w", l.in.name(), l.number, err)
	}
	return b, bytes, nil
}

// Identity says of which chain the archives are. They are on this machine.
func (s *Source) Identity(context.Context) (chain.Identity, error) { return s.id, nil }

// Head gives the header of the last block.
func (s *Source) Head(context.Context) (*chain.Header, error) { return s.head, nil }

// Headers gives the headers of numbers, nil where there is none.
func (s *Source) Headers(ctx context.Context, numbers []uint64) ([]*chain.Header, error) {
	headers := make([]*chain.Header, len(numbers))
	for i, number := range numbers {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		l, ok := s.find(number)
		if !ok {
			continue
		}
		b, _, err := s.read(l)
		if err != nil {
			return nil, err
		}
		headers[i] = &b.Header
	}
	return headers, nil
}

// Tag has no answer: an archive does not tell what is final.
func (s *Source) Tag(context.Context, string) (*chain.Header, error) {
	return nil, &chain.Error{Class: chain.NotYet, Err: errors.New("an archive does not tell")}
}

// Holds is false: archives are read by number.
func (s *Source) Holds(context.Context, common.Hash) (bool, error) { return false, nil }

// Syncing is false: an archive is what it is.
func (s *Source) Syncing(context.Context) (bool, error) { return false, nil }

// IsDevnet is false, whatever the blocks came from.
func (s *Source) IsDevnet() bool { return false }

// Blocks gives a result for each number, in their order. A block that the
// archives do not have is [chain.Pruned]. If they are of more than most bytes,
// its error is of class TooLarge.
func (s *Source) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	results := make([]chain.Result, len(numbers))
	left := most
	for i, number := range numbers {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		r := chain.Result{Number: number}
		if l, ok := s.find(number); ok {
			r.Block, r.Bytes, r.Err = s.read(l)
		} else {
			r.Err = &chain.Error{Class: chain.Pruned, Err: errors.New("the archive does not have the block")}
		}
		if r.Err != nil && !errors.As(r.Err, new(*chain.Error)) {
			return nil, r.Err // the file can't be read
		}
		if left -= int64(r.Bytes); most > 0 && left < 0 {
			return nil, &chain.Error{Class: chain.TooLarge, Err: fmt.Errorf("%d blocks take more than %d bytes", len(numbers), most)}
		}
		results[i] = r
	}
	return results, nil
}

// followEvery is how often Follow tells that the source is there.
const followEvery = time.Second

// Follow tells the head, which never moves, until ctx ends.
func (s *Source) Follow(ctx context.Context, moved func(*chain.Header), polled func(time.Time)) error {
	moved(s.head)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		polled(time.Now())
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Await returns at once: a file is always there.
func (s *Source) Await(ctx context.Context) error { return context.Cause(ctx) }
