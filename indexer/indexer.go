// Package indexer follows the head of a chain: it plans what to fetch, fetches
// ahead, verifies on all cores, puts blocks back in order and commits them. It
// notices reorgs and rewinds to the common ancestor.
package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A Source is where blocks come from: a node, or in tests a scripted chain.
// Its methods may be called concurrently. Errors have a class; those that are
// of no block say that the endpoint is down or refuses.
type Source interface {
	// Identity says which chain the source serves.
	Identity(ctx context.Context) (chain.Identity, error)
	// Head gives the latest header.
	Head(ctx context.Context) (*chain.Header, error)
	// Headers gives the headers of numbers, nil where there is none.
	Headers(ctx context.Context, numbers []uint64) ([]*chain.Header, error)
	// HeaderByHash gives a header, nil if the source does not know it.
	HeaderByHash(ctx context.Context, hash common.Hash) (*chain.Header, error)
	// Blocks gives a result for each number, in their order.
	Blocks(ctx context.Context, numbers []uint64) ([]chain.Result, error)
	// Follow calls moved for each new head and polled after each answer or
	// notification, until ctx ends.
	Follow(ctx context.Context, moved func(*chain.Header), polled func(time.Time)) error
	// Await returns when the source answers again.
	Await(ctx context.Context) error
}

// Options say how to follow the chain. Zero values are defaults.
type Options struct {
	Level         chain.Level // how much verification is demanded; Auto
	Confirmations uint64      // blocks to stay behind the head
	Until         *uint64     // highest number to index; nil for no end
	Loopback      bool        // the source is on this machine

	// Delay is the wait before the first retry of a block after a number of
	// tries.
	Delay func(tries int) time.Duration
	// Failed is called after failures were committed.
	Failed func(...*chain.Failure)
	// Rewound is called after a rewind to a block.
	Rewound func(ancestor uint64)
}

// ErrReset says that the node serves a chain that has no block in common with
// the file.
var ErrReset = errors.New("the chain was reset: no stored block is part of it; move the file away to index the new chain")

// An Indexer indexes one chain into one store.
type Indexer struct {
	source  Source
	store   *store.Store
	options Options
	log     *slog.Logger
	metrics *metrics
	moved   chan struct{} // buffered, 1: the chain's head may have changed
	size    sizes         // of blocks, to plan requests

	mu     sync.Mutex // guards status and head
	status Status
	head   *chain.Header // of the chain, as last told

	// what follows belongs to Run
	next       uint64        // number to commit next
	tip        *store.Anchor // highest stored block, nil if none
	shown      bool          // the source has shown us the tip
	recognized bool          // whether it has was asked after the start
}

// New makes an indexer. The store must have its identity.
func New(source Source, s *store.Store, o Options, log *slog.Logger, registry prometheus.Registerer) *Indexer {
	if o.Level == "" {
		o.Level = chain.Auto
	}
	x := &Indexer{source: source, store: s, options: o, log: log, moved: make(chan struct{}, 1)}
	x.metrics = newMetrics(registry, x)
	return x
}

// errDone ends Run when Until is reached.
var errDone = errors.New("the last block is indexed")

// Run follows the chain until ctx ends, or until Until is indexed, and then
// returns nil. Other errors are those that nothing but an operator can cure.
func (x *Indexer) Run(ctx context.Context) error {
	following, stop := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := x.source.Follow(following, x.sawHead, x.sawAnswer)
		stop(err) // ends the loop too
		ended <- err
	}()
	err := x.loop(following)
	stop(err)
	<-ended
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// loop works off what the head says and waits for it to move.
func (x *Indexer) loop(ctx context.Context) error {
	if err := x.refresh(ctx); err != nil {
		return err
	}
	for {
		again, err := x.step(ctx)
		if err != nil {
			return err
		}
		var later <-chan time.Time
		if again > 0 {
			later = time.After(again)
		} else if again < 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-x.moved:
		case <-later:
		}
	}
}

// Values that step returns besides a duration.
const (
	atOnce    = time.Duration(-1) // there is more to do
	whenMoved = time.Duration(0)  // nothing to do until the head moves
)

// step does what the present head asks for, and says when to look again.
func (x *Indexer) step(ctx context.Context) (time.Duration, error) {
	head := x.chainHead()
	if head == nil {
		return whenMoved, nil
	}
	x.setState("following")
	if err := x.recognize(ctx); err != nil {
		return x.unclear(ctx, err)
	}
	if x.options.Until != nil && x.next > *x.options.Until {
		return 0, errDone
	}
	target, ok := x.target(head)
	if !ok {
		return whenMoved, nil
	}
	if x.next > target {
		return x.compare(ctx, head)
	}
	err := x.catchUp(ctx, target)
	var fork *store.ForkError
	switch {
	case err == nil:
		return atOnce, nil
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case errors.As(err, &fork):
		x.log.Info("block does not fit", "block", fork.Number, "err", err)
		return x.reorg(ctx, false)
	case endpointFailed(err):
		return atOnce, x.await(ctx, err)
	}
	return 0, err
}

// recognize learns, once after a start, whether the source knows our tip.
func (x *Indexer) recognize(ctx context.Context) error {
	if x.recognized || x.tip == nil {
		return nil
	}
	known, err := x.source.HeaderByHash(ctx, x.tip.Hash)
	if err != nil {
		return err
	}
	x.recognized, x.shown = true, known != nil
	return nil
}

// target is the highest number to index at a head.
func (x *Indexer) target(head *chain.Header) (uint64, bool) {
	if head.Number < x.options.Confirmations {
		return 0, false
	}
	target := head.Number - x.options.Confirmations
	if x.options.Until != nil {
		target = min(target, *x.options.Until)
	}
	return target, true
}

// endpointFailed reports whether an error is of the source, not of a block or
// the store.
func endpointFailed(err error) bool {
	var e *chain.Error
	return errors.As(err, &e) && !e.Class.OfBlock()
}

// await waits for the source, then makes sure that it serves the same chain.
func (x *Indexer) await(ctx context.Context, cause error) error {
	x.log.Warn("waiting for the node", "err", cause)
	x.setState("waiting for the node: " + cause.Error())
	for {
		if err := x.source.Await(ctx); err != nil {
			return err
		}
		id, err := x.source.Identity(ctx)
		if err == nil {
			x.log.Info("the node answers again")
			return x.sameChain(ctx, id)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// sameChain compares the source's identity with the file's.
func (x *Indexer) sameChain(ctx context.Context, id chain.Identity) error {
	want := store.Identity{ChainID: id.ChainID, Client: id.Client}
	file, err := x.store.Identity(ctx)
	if err != nil {
		return err
	}
	want.Genesis = file.Genesis
	if id.Genesis != nil {
		want.Genesis = id.Genesis.Hash
	}
	return x.store.Identify(ctx, want)
}

// refresh reads from the file where it ends.
func (x *Indexer) refresh(ctx context.Context) (err error) {
	if x.next, err = x.store.Next(ctx); err != nil {
		return err
	}
	x.tip, err = x.store.Highest(ctx, math.MaxInt64)
	x.setNext()
	return err
}

// pause waits, or returns when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Index fetches and verifies blocks, once. It gives an entry for each number,
// in their order: the block, or why it can't be had. Its error is of the
// endpoint. It is the one way by which a block is indexed: at the head, while
// catching up and when a missing block is retried.
func (x *Indexer) Index(ctx context.Context, numbers []uint64) ([]store.Entry, error) {
	return x.index(ctx, numbers, chain.AllChecks)
}

func (x *Indexer) index(ctx context.Context, numbers []uint64, checks chain.Check) ([]store.Entry, error) {
	results, err := x.source.Blocks(ctx, numbers)
	if err != nil {
		return nil, err
	}
	if len(results) != len(numbers) {
		return nil, fmt.Errorf("index: %d results for %d blocks", len(results), len(numbers))
	}
	entries := make([]store.Entry, len(numbers))
	for i, r := range results {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		x.size.saw(r.Bytes)
		err := r.Err
		if err == nil {
			err = x.verify(r.Block, numbers[i], checks)
		}
		if err == nil {
			entries[i].Block = r.Block
			continue
		}
		entries[i].Failure = chain.Failed(numbers[i], err, 1, time.Now())
	}
	return entries, nil
}

// verify says why a block can't be stored, if so.
func (x *Indexer) verify(b *chain.Block, number uint64, checks chain.Check) error {
	if b.Number != number {
		return &chain.Error{Class: chain.Invalid, Err: fmt.Errorf("asked for block %d, got %d", number, b.Number)}
	}
	if x.options.Level == chain.Off {
		return nil
	}
	if x.options.Level == chain.Strict {
		checks = chain.AllChecks
	}
	return x.options.Level.Accept(chain.Verify(b, checks))
}
