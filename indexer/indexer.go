// Package indexer follows the head of a chain: it plans what to fetch, fetches
// ahead, verifies on all cores, puts blocks back in order and commits them. It
// notices reorgs and rewinds to the common ancestor.
package indexer

import (
	"context"
	"errors"
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
	// Tag gives the header that the source calls finalized or safe. Where it
	// has none, the error is of a class that is of a block.
	Tag(ctx context.Context, tag string) (*chain.Header, error)
	// Holds reports whether a block is known by its hash, anywhere in the source.
	Holds(ctx context.Context, hash common.Hash) (bool, error)
	// Syncing reports whether the source says that it is catching up itself. Not
	// all that say so are below their head.
	Syncing(ctx context.Context) (bool, error)
	// IsDevnet reports whether what serves the chain says that it is a development
	// node: it makes its chain by itself, keeps all of it, and takes blocks back
	// when it is asked to.
	IsDevnet() bool
	// Blocks gives a result for each number, in their order. If the blocks take
	// more than so many bytes of JSON, its error is of class TooLarge; 0 is for
	// as many as there are.
	Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error)
	// Follow calls moved for each new head and polled after each answer or
	// notification, until ctx ends.
	Follow(ctx context.Context, moved func(*chain.Header), polled func(time.Time)) error
	// Await returns when the source answers again.
	Await(ctx context.Context) error
}

// Options say how to follow the chain. Zero values are defaults.
type Options struct {
	Level         chain.Level   // how much verification is demanded; Auto
	Confirmations uint64        // blocks to stay behind the head
	CommitEvery   time.Duration // new blocks are committed together, so long after those before; 0: each as it comes
	Until         *uint64       // highest number to index; nil for no end
	Client        string        // what the source calls itself; no mismatch is excused of one whose rules are known
	Loopback      bool          // the source is on this machine
	// Latest says that Until is where the source's head was: the run ends once the
	// file is the source's chain up to there, or with a [*LaggingError].
	Latest bool
	// OnRevert is [FollowReverts] or [WaitOnReverts] where it does not go by what
	// the source says it is.
	OnRevert string
	// Sparing is how often the source is asked what can wait, at most: where
	// calls are counted, that is as often as it asks for its head itself. 0 is
	// for as often as it takes.
	Sparing time.Duration
	// Fixed says that the source is a copy that never changes, such as an
	// archive. What is wrong in it or does not fit the file ends Run: it is not
	// tried again, not recorded as missing, and no reorg is followed. Only what
	// the source does not have, [chain.Pruned], is missing.
	Fixed bool

	// Delay is the wait before the first retry of a block after a number of
	// tries.
	Delay func(tries int) time.Duration
	// Failed is called after failures were committed.
	Failed func(...*chain.Failure)
	// Rewound is called after a rewind to a block.
	Rewound func(ancestor uint64)
	// Recovered, if set, is called when the source answers again after an
	// outage, at times more than once.
	Recovered func()
	// Room, if set, is asked before each commit. While it returns an error that
	// wraps a [store.NoRoom], nothing is committed.
	Room func() error
}

var (
	// ErrReset says that the source serves another chain under the file's chain
	// id, or has left so much of the file's that what there was had better be
	// kept: no stored block but perhaps the first is part of it.
	ErrReset = errors.New("the chain was reset: no stored block is part of it; move the file away to index the new chain")
	// ErrFinality says that the source serves a chain without the block that it
	// calls finalized. Nothing was changed.
	ErrFinality = errors.New("the node serves a chain without the block that it calls finalized; ask another node, or wait until this one is repaired")
)

// An Indexer indexes one chain into one store.
type Indexer struct {
	source  Source
	store   *store.Store
	options Options
	log     *slog.Logger
	metrics *metrics
	moved   chan struct{} // buffered, 1: the chain's head may have changed
	size    sizes         // of blocks, to plan requests
	pace    *pace         // of requests
	doubts  doubts
	alone   chan struct{} // buffered, 1: holds one while a block of the head may take as much as it wants
	aside   chan struct{} // the same for missing blocks, which hold up no others

	mu     sync.Mutex // guards what follows
	status Status
	head   *chain.Header // of the chain, as last told or found
	told   common.Hash   // of the head that Follow last told

	// what follows belongs to Run
	background   sync.WaitGroup // of what is asked aside
	file         store.Identity
	start        uint64        // lowest number that is indexed; it is pruned from there
	next         uint64        // number to commit next
	tip          *store.Anchor // highest stored block, nil if none
	leader       string        // endpoint of the source that this is about
	compared     comparison    // the last one that found nothing
	stored       bool          // by this run: a block
	laggingSince time.Time     // the source is behind the file; zero: it is not
	finality     finality
	misfit       misfit
	heldUp       heldUp
	committedAt  time.Time // when blocks or failures were committed last
	awaited      time.Time // when the source was last waited for, until it answered
	indexed      bool      // the file has all its indexes
}

// New makes an indexer. The store must have its identity.
func New(source Source, s *store.Store, o Options, log *slog.Logger, registry prometheus.Registerer) *Indexer {
	if o.Level == "" {
		o.Level = chain.Auto
	}
	x := &Indexer{source: source, store: s, options: o, log: log, moved: make(chan struct{}, 1), pace: newPace(), alone: make(chan struct{}, 1), aside: make(chan struct{}, 1)}
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
	x.background.Wait()
	<-ended
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// loop works off what the head says and waits for it to move.
func (x *Indexer) loop(ctx context.Context) (err error) {
	if err := x.begin(ctx); err != nil {
		return err
	}
	for {
		changed := x.store.Changed()
		again, err := x.step(ctx)
		if err != nil {
			return err
		}
		if again == atOnce {
			continue
		}
		if again == whenMoved {
			again = x.idle(ctx)
		}
		if !x.missingAtTop() {
			changed = nil
		}
		if err := x.sleep(ctx, again, changed); err != nil {
			return err
		}
	}
}

// begin reads what the file is of.
func (x *Indexer) begin(ctx context.Context) (err error) {
	x.awaited = time.Now()
	if x.file, err = x.store.Identity(ctx); err != nil {
		return err
	}
	if err := x.loadSizes(ctx); err != nil {
		return err
	}
	return x.loadFinality(ctx)
}

// sleep waits until the head moves, the file changes, or for a time if there is
// one.
func (x *Indexer) sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	var later <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		later = t.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-x.moved:
	case <-later:
	case <-changed:
	}
	return nil
}

// missingAtTop reports whether blocks are missing above the highest stored one:
// when one of them comes in, that is another tip to compare.
func (x *Indexer) missingAtTop() bool {
	return x.tip == nil && x.next > x.start || x.tip != nil && x.tip.Number+1 < x.next
}

// Values that step returns besides a duration.
const (
	atOnce    = time.Duration(-1) // there is more to do
	whenMoved = time.Duration(0)  // nothing to do until the head moves
)

// step does what the present head asks for, and says when to look again.
func (x *Indexer) step(ctx context.Context) (time.Duration, error) {
	if err := x.refresh(ctx); err != nil { // others fill and displace
		return 0, err
	}
	if x.hasAll() {
		return x.finish(ctx)
	}
	x.followLeader()
	if silent, _ := x.silent(); silent {
		return atOnce, x.await(ctx, errSilent)
	}
	if err := x.lookAtHead(ctx); err != nil {
		return x.unclear(ctx, err)
	}
	head := x.chainHead()
	if head == nil {
		return whenMoved, nil
	}
	if !x.isLagging() {
		x.setState("following")
	}
	target, ok := x.target(head)
	if !ok {
		return x.compare(ctx, head)
	}
	if x.next > target {
		if err := x.buildIndexes(ctx); err != nil {
			return 0, err
		}
		return x.compare(ctx, head)
	}
	x.caughtUp()
	if wait := x.heldBack(target); wait > 0 {
		return wait, nil
	}
	if err := x.postpone(ctx, target); err != nil {
		return x.unclear(ctx, err)
	}
	err := x.catchUp(ctx, target)
	if err == nil {
		return atOnce, nil
	}
	if isTooLarge(err) && ctx.Err() == nil {
		return atOnce, nil // the sizes are known now
	}
	if fork, ok := errors.AsType[*store.ForkError](err); ok && ctx.Err() == nil && !x.options.Fixed {
		return x.followMisfit(ctx, fork)
	}
	if x.options.Fixed {
		return 0, err
	}
	return x.unclear(ctx, err)
}

// heldBack is how long new blocks wait to be committed together. The last of a run
// that has an end do not.
func (x *Indexer) heldBack(target uint64) time.Duration {
	if x.options.Until != nil && target >= *x.options.Until {
		return 0
	}
	return time.Until(x.committedAt.Add(x.options.CommitEvery))
}

// lastWord is how long the source has at the end to say what is final.
const lastWord = 5 * time.Second

// hasAll reports whether all up to the last block is there.
func (x *Indexer) hasAll() bool { return x.options.Until != nil && x.next > *x.options.Until }

// finish does what is left to do once the last block is indexed: the file may be
// of a chain that the source has left.
func (x *Indexer) finish(ctx context.Context) (time.Duration, error) {
	if again, err := x.compareLast(ctx); err != nil || again != whenMoved {
		return again, err
	}
	if err := x.buildIndexes(ctx); err != nil {
		return 0, err
	}
	asking, cancel := context.WithTimeout(ctx, lastWord)
	defer cancel()
	if head := x.chainHead(); x.asksFinality(head) {
		x.takeFinality(asking, x.askFinality(asking, x.finality, head.Hash))
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return 0, errDone
}

// compareLast is compare for the end of a run. Where that is a number, or this run
// has stored the last block, all that was asked for is there, with or without the
// source.
func (x *Indexer) compareLast(ctx context.Context) (time.Duration, error) {
	if x.options.Fixed || x.tip == nil {
		return whenMoved, nil
	}
	asking, cancel := context.WithTimeout(ctx, lastWord)
	defer cancel()
	head, err := x.source.Head(asking)
	var l local
	var r remote
	if err == nil {
		x.foundHead(head)
		l, r, err = x.observe(asking, head)
	}
	switch {
	case err == nil:
		return x.follow(ctx, head, l, r)
	case ctx.Err() == nil && (x.stored || !x.options.Latest):
		return whenMoved, nil
	}
	return x.unclear(ctx, err)
}

// lookAtHead asks for the head if the one that is known is not what Follow last
// told: then Follow may never tell that it is outdated.
func (x *Indexer) lookAtHead(ctx context.Context) error {
	if x.headWasTold() {
		return nil
	}
	head, err := x.source.Head(ctx)
	if err == nil {
		x.foundHead(head)
	}
	return err
}

// idle does what can wait until there is nothing else to do, and says when to
// look again.
func (x *Indexer) idle(ctx context.Context) time.Duration {
	x.goesOn()
	_, again := x.silent()
	again = max(again, time.Millisecond)
	if wait := x.keepFinality(ctx); wait > 0 {
		again = min(again, wait)
	}
	if !x.headWasTold() {
		again = min(again, max(idleLook, x.options.Sparing))
	}
	return again
}

// idleLook is how long a head is believed that Follow did not tell.
const idleLook = time.Second

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

// refresh reads from the file where it begins and ends.
func (x *Indexer) refresh(ctx context.Context) (err error) {
	if x.start, x.next, err = x.store.Bounds(ctx); err != nil {
		return err
	}
	x.tip, err = x.store.Highest(ctx, math.MaxInt64)
	x.setNext()
	return err
}
