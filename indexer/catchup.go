package indexer

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

const (
	// spansAhead is how many requests are in flight or wait to be committed.
	spansAhead = 2 * mostRequests
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
	bytes   int64 // that the window counts for it
	most    int64 // bytes that it may take; 0: as many as there are
	err     error
	done    chan struct{} // closed when entries or err are there
}

// A catchingUp is one run of catchUp.
type catchingUp struct {
	*Indexer
	target uint64
	ahead  chan *span
	window *window

	pending []store.Entry // fetched, to be committed
	bytes   int64         // of pending
}

// catchUp indexes everything up to target. Spans are fetched and verified
// ahead, several at a time, and committed in order.
func (x *Indexer) catchUp(ctx context.Context, target uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	c := &catchingUp{Indexer: x, target: target, ahead: make(chan *span, spansAhead), window: newWindow()}
	from := x.next
	x.pace.resume()
	g.Go(func() error {
		defer close(c.ahead)
		return c.fetchAhead(ctx, g, from)
	})
	g.Go(func() error { return c.commitInOrder(ctx) })
	return g.Wait()
}

// fetchAhead starts the fetches, as far ahead as the window allows.
func (c *catchingUp) fetchAhead(ctx context.Context, g *errgroup.Group, from uint64) error {
	for from <= c.target {
		s, err := c.begin(ctx, from)
		if err != nil {
			return err
		}
		g.Go(func() error {
			defer close(s.done)
			c.fetch(ctx, s)
			return nil // what comes before it is committed first
		})
		from += uint64(len(s.numbers))
	}
	return nil
}

// begin plans the next span once there is room for it.
func (c *catchingUp) begin(ctx context.Context, from uint64) (*span, error) {
	left, waited, err := c.window.take(ctx, c.size.one)
	if err != nil {
		return nil, err
	}
	if waited {
		c.pace.hold()
	}
	blocks, err := c.pace.begin(ctx)
	if err != nil {
		return nil, err
	}
	s := c.plan(from, left, blocks)
	select {
	case c.ahead <- s:
		return s, nil
	case <-ctx.Done():
		c.pace.giveUp()
		return nil, context.Cause(ctx)
	}
}

// fetch does what a span is for.
func (c *catchingUp) fetch(ctx context.Context, s *span) {
	estimate, began := s.bytes, time.Now()
	s.entries, s.bytes, s.err = c.indexTries(ctx, s.numbers, s.most, c.target)
	c.window.add(s.bytes - estimate)
	switch {
	case s.err == nil && !anySilent(s.entries):
		c.pace.answered(len(s.numbers), s.bytes, time.Since(began))
	case s.err != nil && endpointFailed(s.err) && ctx.Err() == nil:
		c.pace.failed()
	default:
		c.pace.giveUp()
	}
}

// anySilent reports whether a block was not answered for: how long that took
// says nothing about the others.
func anySilent(entries []store.Entry) bool {
	return slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Failure != nil && e.Failure.Class == chain.Timeout })
}

// plan makes the next span: as many blocks as one request may have.
func (c *catchingUp) plan(from uint64, left int64, blocks int) *span {
	s := &span{done: make(chan struct{})}
	most := c.size.blocksIn(min(spanBytes, left), blocks)
	for n := from; n <= c.target && len(s.numbers) < most; n++ {
		s.numbers = append(s.numbers, n)
	}
	s.bytes, s.most = int64(len(s.numbers))*c.size.one(), c.size.most(len(s.numbers))
	c.window.add(s.bytes)
	return s
}

// commitInOrder collects spans in order and commits them together.
func (c *catchingUp) commitInOrder(ctx context.Context) error {
	for {
		s, err := c.collect(ctx)
		if err != nil {
			return err
		}
		if err := c.flush(ctx); err != nil {
			return err
		}
		if s == nil {
			return nil
		}
		if s.err != nil {
			return s.err
		}
		if !c.indexed && c.large() {
			if err := c.buildIndexes(ctx); err != nil {
				return err
			}
		}
	}
}

// collect appends finished spans to pending until there is enough for a
// commit. It returns the last span, or nil when there are no more; a span
// that has an error comes alone, after what was before it.
func (c *catchingUp) collect(ctx context.Context) (*span, error) {
	rows := 0
	enough := time.NewTimer(commitWait)
	defer enough.Stop()
	for {
		s, err := c.finished(ctx, enough)
		if err != nil || s == nil || s.err != nil {
			return s, err
		}
		c.pending = append(c.pending, s.entries...)
		c.bytes += s.bytes
		rows += countRows(s.entries)
		if len(c.pending) >= commitBlocks || rows >= commitRows || c.bytes >= commitBytes {
			return s, nil
		}
	}
}

// finished gives the next span once it is finished, nil if there is none. What
// is pending is committed meanwhile, if that takes long or the window is full.
func (c *catchingUp) finished(ctx context.Context, enough *time.Timer) (s *span, err error) {
	ahead, done := c.ahead, (chan struct{})(nil)
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case next, ok := <-ahead:
			if !ok {
				return nil, nil
			}
			s, ahead, done = next, nil, next.done
			continue
		case <-done:
			return s, nil
		case <-enough.C:
			enough.Reset(commitWait)
		case <-c.window.short:
		}
		if err := c.flush(ctx); err != nil {
			return nil, err
		}
	}
}

// flush commits what is pending.
func (c *catchingUp) flush(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	err := c.commit(ctx, c.pending)
	c.window.add(-c.bytes)
	c.pending, c.bytes = nil, 0
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

// commit writes entries and tells of them afterwards. It waits while there is no
// room, and looks below gaps anew each time.
func (x *Indexer) commit(ctx context.Context, entries []store.Entry) error {
	for len(entries) > 0 {
		if err := x.refresh(ctx); err != nil { // others fill and displace
			return err
		}
		anchors, err := x.anchors(ctx, entries)
		if err != nil {
			return err
		}
		failures := x.failures(entries)
		started, below := time.Now(), x.tip
		if err = x.room(); err == nil {
			err = x.store.Commit(ctx, entries, anchors...)
		}
		if err == nil {
			x.committed(entries, failures, started)
			x.setState("following")
			return nil
		}
		if i := x.refuseMisfit(err, entries); i >= 0 {
			if err := x.commit(ctx, entries[:i+1]); err != nil {
				return err
			}
			entries = entries[i+1:] // there may be others
		} else if err := x.commitFailed(ctx, err, below); err != nil {
			return err
		}
	}
	return nil
}

// commitFailed says whether a commit that failed is not to be tried again.
// Where there was no room it first waits. Below a gap a block may have come in,
// or gone, since the commit was prepared.
func (x *Indexer) commitFailed(ctx context.Context, err error, below *store.Anchor) error {
	if why, ok := errors.AsType[store.NoRoom](err); ok {
		return x.awaitRoom(ctx, why, err)
	}
	if failed := x.refresh(context.WithoutCancel(ctx)); failed != nil {
		return errors.Join(err, failed)
	}
	if errors.As(err, new(*store.ForkError)) || ctx.Err() != nil || sameAnchor(below, x.tip) {
		return err
	}
	return nil
}

func sameAnchor(a, b *store.Anchor) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// committed brings what is in memory to what was committed, and tells of it.
func (x *Indexer) committed(entries []store.Entry, failures []*chain.Failure, started time.Time) {
	for _, e := range entries {
		x.next = e.Number() + 1
		if e.Block != nil {
			x.tip = &store.Anchor{Number: e.Block.Number, Hash: e.Block.Hash}
			x.stored = true
		}
	}
	x.committedAt = time.Now()
	x.movedOn()
	x.metrics.committed(entries, time.Since(started))
	x.setNext()
	x.goesOn()
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
			e.Failure.NextAt = e.Failure.At.Add(x.options.Delay(e.Failure.Waits()))
			failures = append(failures, e.Failure)
		}
	}
	return failures
}

// headersTries asks for headers, and soon after again if a header can't be had.
// With an error of a block it gives those that it has.
func (x *Indexer) headersTries(ctx context.Context, numbers []uint64) ([]*chain.Header, error) {
	wait := firstPause
	for tries := 1; ; tries++ {
		headers, err := x.source.Headers(ctx, numbers)
		if err == nil || ctx.Err() != nil || endpointFailed(err) || chain.ClassOf(err) == chain.Pruned || chain.ClassOf(err) == chain.Timeout || tries == inlineTries {
			return headers, err
		}
		if err := pause.For(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
	}
}
