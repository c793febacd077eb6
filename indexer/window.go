package indexer

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"gapless/internal/store"
)

const (
	// windowBytes bounds the JSON of the blocks that are fetched ahead and not
	// yet committed. One block always goes.
	windowBytes = 16 << 20
	// spanBytes bounds one request; see pace for how many blocks it is for.
	spanBytes = 4 << 20
	// commitBytes is when what is pending is committed at once.
	commitBytes = windowBytes / 2
)

// A window counts the bytes that are fetched ahead. Only one goroutine takes.
type window struct {
	freed chan struct{} // buffered, 1: there may be room again
	short chan struct{} // buffered, 1: somebody waits for room

	mu   sync.Mutex // guards used
	used int64
}

func newWindow() *window {
	return &window{freed: make(chan struct{}, 1), short: make(chan struct{}, 1)}
}

// take waits until there is room for what is estimated, or nothing else is under
// way, and returns how much there is, and whether it has waited.
func (w *window) take(ctx context.Context, estimate func() int64) (left int64, waited bool, err error) {
	for {
		w.mu.Lock()
		left = windowBytes - w.used
		empty := w.used == 0
		w.mu.Unlock()
		if empty || left >= estimate() {
			return left, waited, nil
		}
		waited = true
		poke(w.short)
		select {
		case <-w.freed:
		case <-ctx.Done():
			return 0, true, context.Cause(ctx)
		}
	}
}

// add counts bytes that are under way, or with a negative number are no more.
func (w *window) add(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used += bytes
	if bytes < 0 {
		poke(w.freed)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sizes remembers how large blocks have been of late. A larger one counts at
// once, smaller ones little by little.
type sizes struct{ average, seen atomic.Int64 }

// loadSizes learns from the highest blocks of the file how large blocks are, so
// that after a start no block has to be fetched alone to find that out.
func (x *Indexer) loadSizes(ctx context.Context) error {
	const some, large = 8, 1 << 20 // blocks; bytes of one that is enough
	for below := uint64(math.MaxInt64); x.size.seen.Load() < some && x.size.average.Load() < large; {
		at, err := x.store.Highest(ctx, below)
		if err != nil || at == nil {
			return err
		}
		b, err := x.store.Block(ctx, at.Number)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil {
			x.size.saw(len(b.AppendReceipts(b.AppendBlock(nil, true))))
		}
		if at.Number == 0 {
			return nil
		}
		below = at.Number - 1
	}
	return nil
}

func (s *sizes) saw(bytes int) {
	if bytes == 0 {
		return
	}
	s.seen.Add(1)
	old := s.average.Load()
	s.average.Store(max(1, int64(bytes), old+(int64(bytes)-old)/32)) // a lost update does no harm
}

// one is what a block is likely to take.
func (s *sizes) one() int64 {
	if average := s.average.Load(); average > 0 {
		return average
	}
	return windowBytes // nothing is known yet: one block alone shall tell
}

// most is how many bytes a request for a number of blocks may take: some more
// than is likely. It is 0, for as many as there are, for a block of which no two
// fit the window.
func (s *sizes) most(blocks int) int64 {
	one := s.one()
	if 2*one > windowBytes {
		return 0
	}
	return int64(blocks)*one + spanBytes
}

// tooLarge takes in that a number of blocks took more than so many bytes. Some
// of them are much larger than those of late: how much, is soon found out.
func (s *sizes) tooLarge(bytes int64, blocks int) {
	const growth = 8
	s.average.Store(min(windowBytes, growth*max(s.one(), bytes/int64(blocks))))
}

// blocksIn is how many blocks take a number of bytes, from 1 to most: not many
// more than were seen.
func (s *sizes) blocksIn(bytes int64, most int) int {
	known := 2 * min(s.seen.Load(), int64(most))
	return int(max(1, min(int64(most), bytes/s.one(), known)))
}
