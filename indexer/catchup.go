package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
	"gapless/internal/store"
)

const (
	// spansAhead is how many requests are in flight or wait to be committed.
	spansAhead = 8
	// spanBytes and spanBlocks bound one request.
	spanBytes  = 4 << 20
	spanBlocks = 50
	// A commit while catching up has this many blocks or rows at most, and
	// its first block waits this long at most.
	commitBlocks = 1000
	commitRows   = 20_000
	commitWait   = time.Second
	// nearHead is how close to the head every check is made of a block.
	nearHead = 64
)

// A span is a run of consecutive numbers that is fetched at once.
type span struct {
	numbers []uint64
	entries []store.Entry
	err     error
	done    chan struct{} // closed when entries or err are there
}

// catchUp indexes everything up to target. Spans are fetched and verified
// ahead, several at a time, and committed in order.
func (x *Indexer) catchUp(ctx context.Context, target uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	ahead := make(chan *span, spansAhead)
	from := x.next
	g.Go(func() error {
		defer close(ahead)
		for from <= target {
			s := x.plan(from, target)
			select {
			case ahead <- s:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			g.Go(func() error {
				defer close(s.done)
				s.entries, s.err = x.indexTries(ctx, s.numbers, target)
				return nil // what comes before it is committed first
			})
			from += uint64(len(s.numbers))
		}
		return nil
	})
	g.Go(func() error { return x.commitInOrder(ctx, ahead) })
	return g.Wait()
}

// plan makes the next span: as many blocks as one request may have.
func (x *Indexer) plan(from, target uint64) *span {
	s := &span{done: make(chan struct{})}
	for n := from; n <= target && len(s.numbers) < x.size.blocksIn(spanBytes, spanBlocks); n++ {
		s.numbers = append(s.numbers, n)
	}
	return s
}

// commitInOrder collects spans in order and commits them together.
func (x *Indexer) commitInOrder(ctx context.Context, ahead <-chan *span) error {
	var pending []store.Entry
	for {
		s, err := x.collect(ctx, ahead, &pending)
		if err != nil {
			return err
		}
		if len(pending) > 0 {
			if err := x.commit(ctx, pending); err != nil {
				return err
			}
			pending = nil
		}
		if s == nil {
			return nil
		}
		if s.err != nil {
			return s.err
		}
	}
}

// collect appends finished spans to pending until there is enough for a
// commit. It returns the last span, or nil when there are no more; a span
// that has an error comes alone, after what was before it.
func (x *Indexer) collect(ctx context.Context, ahead <-chan *span, pending *[]store.Entry) (*span, error) {
	rows := 0
	enough := time.NewTimer(commitWait)
	defer enough.Stop()
	var s *span
	for {
		var ok bool
		select {
		case s, ok = <-ahead:
			if !ok {
				return nil, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		select {
		case <-s.done:
		case <-enough.C:
			if err := x.flush(ctx, pending); err != nil {
				return nil, err
			}
			<-s.done
			enough.Reset(commitWait)
		}
		if s.err != nil {
			return s, nil
		}
		*pending = append(*pending, s.entries...)
		rows += countRows(s.entries)
		if len(*pending) >= commitBlocks || rows >= commitRows {
			return s, nil
		}
	}
}

// flush commits what is pending while a slow span is waited for.
func (x *Indexer) flush(ctx context.Context, pending *[]store.Entry) error {
	if len(*pending) == 0 {
		return nil
	}
	err := x.commit(ctx, *pending)
	*pending = nil
	return err
}

func countRows(entries []store.Entry) (rows int) {
	for _, e := range entries {
		rows++
		if e.Block == nil {
			continue
		}
		rows += len(e.Block.Transactions)
		for i := range e.Block.Transactions {
			rows += len(e.Block.Transactions[i].Receipt.Logs)
		}
	}
	return rows
}

// commit writes entries and tells of them afterwards.
func (x *Indexer) commit(ctx context.Context, entries []store.Entry) error {
	failures := x.failures(entries)
	anchors, err := x.anchors(ctx, entries)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := x.store.Commit(ctx, entries, anchors...); err != nil {
		return errors.Join(err, x.refresh(context.WithoutCancel(ctx)))
	}
	x.committed(entries, failures, started)
	return nil
}

// committed brings what is in memory to what was committed, and tells of it.
func (x *Indexer) committed(entries []store.Entry, failures []*chain.Failure, started time.Time) {
	for _, e := range entries {
		x.next = e.Number() + 1
		if e.Block != nil {
			x.tip = &store.Anchor{Number: e.Block.Number, Hash: e.Block.Hash}
			x.shown = true
		}
	}
	x.metrics.committed(len(entries)-len(failures), time.Since(started))
	x.setNext()
	if len(failures) > 0 {
		x.options.Failed(failures...)
	}
	for _, f := range failures {
		x.log.Warn("block is missing", "block", f.Number, "class", f.Class, "tries", f.Tries,
			"next_retry_at", f.NextAt.Round(time.Second), "err", f.Message)
	}
}

// failures gives the failures among entries, with the time of their retry.
func (x *Indexer) failures(entries []store.Entry) (failures []*chain.Failure) {
	for _, e := range entries {
		if e.Failure != nil {
			e.Failure.NextAt = e.Failure.At.Add(x.options.Delay(e.Failure.Tries))
			failures = append(failures, e.Failure)
		}
	}
	return failures
}

// anchors asks the source for the present hash of each stored block that lies
// below a gap over which a block is about to be committed.
func (x *Indexer) anchors(ctx context.Context, entries []store.Entry) ([]store.Anchor, error) {
	var below []uint64
	tip := x.tip
	for _, e := range entries {
		if e.Block == nil {
			continue
		}
		if tip != nil && tip.Number+1 != e.Block.Number {
			below = append(below, tip.Number)
		}
		tip = &store.Anchor{Number: e.Block.Number, Hash: e.Block.Hash}
	}
	if len(below) == 0 {
		return nil, nil
	}
	headers, err := x.source.Headers(ctx, below)
	if err != nil {
		return nil, fmt.Errorf("look below a gap: %w", err)
	}
	anchors := make([]store.Anchor, 0, len(below))
	for i, h := range headers {
		a := store.Anchor{Number: below[i]}
		if h != nil {
			a.Hash = h.Hash
		}
		anchors = append(anchors, a) // a zero hash is that of no block
	}
	return anchors, nil
}

// The inline tries of a block, before it is recorded as missing.
const (
	inlineTries  = 3
	inlineBudget = 2 * time.Second
	firstPause   = 50 * time.Millisecond
)

// indexTries is Index with further tries, soon after, of what failed.
func (x *Indexer) indexTries(ctx context.Context, numbers []uint64, target uint64) ([]store.Entry, error) {
	checks := chain.Check(chain.QuickChecks)
	if numbers[len(numbers)-1]+nearHead > target {
		checks = chain.AllChecks
	}
	entries, err := x.index(ctx, numbers, checks)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(inlineBudget)
	wait := firstPause
	for tries := 2; ; tries++ {
		var again []uint64
		for _, e := range entries {
			if f := e.Failure; f != nil && (tries <= inlineTries || f.Class == chain.NotYet) {
				again = append(again, f.Number)
			}
		}
		if len(again) == 0 || time.Now().Add(wait).After(until) {
			return entries, nil
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
		more, err := x.index(ctx, again, checks)
		if err != nil {
			return nil, err
		}
		merge(entries, more, tries)
	}
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

// sizes remembers how large blocks have been of late.
type sizes struct{ average atomic.Int64 }

func (s *sizes) saw(bytes int) {
	if bytes == 0 {
		return
	}
	old := s.average.Load()
	if old == 0 {
		old = int64(bytes)
	}
	s.average.Store(max(1, old+(int64(bytes)-old)/8)) // a lost update does no harm
}

// blocksIn is how many blocks take a number of bytes, from 1 to most.
func (s *sizes) blocksIn(bytes, most int) int {
	average := s.average.Load()
	if average == 0 {
		return min(10, most) // nothing is known yet
	}
	return max(1, min(most, bytes/int(average)))
}
