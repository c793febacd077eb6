package node

import (
	"context"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/time/rate"

	"gapless/internal/chain"
)

const (
	pollFastest     = 250 * time.Millisecond // off loopback
	pollSlowest     = 12 * time.Second
	pollLoopback    = 250 * time.Millisecond // the slowest there
	pollLoopbackMin = 50 * time.Millisecond
)

// Follow calls moved for each new head of the chain, and polled after each poll
// or notification that shows that the node answers, until ctx ends, whose cause
// it returns. It listens to newHeads where a WebSocket answers and else polls,
// at half of the interval between blocks, but not more often than PollEvery. A
// head may be skipped, and may be below the one before it. The functions are
// called one at a time. With several endpoints all of this is about the leader,
// whichever it is at the time.
func (n *Node) Follow(ctx context.Context, moved func(*chain.Header), polled func(at time.Time)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.budget.follow()
	f := &follower{node: n, moved: moved, polled: polled, events: make(chan event), every: n.PollEvery()}
	if f.every > 0 {
		f.spaced = rate.NewLimiter(rate.Every(f.every), 3)
	}
	var aside sync.WaitGroup
	aside.Go(func() { n.subscribe(ctx, f.events) })
	aside.Go(func() { n.watch(ctx) })
	err := f.run(ctx)
	cancel()
	aside.Wait()
	return err
}

// A follower holds what Follow knows.
type follower struct {
	node   *Node
	moved  func(*chain.Header)
	polled func(at time.Time)
	events chan event    // from the subscription and the poll
	every  time.Duration // between polls, at least; 0: as often as it takes
	spaced *rate.Limiter // nil without every; a few polls may come sooner

	last      common.Hash   // of the head
	number    uint64        // of the head
	timestamp uint64        // of the head
	seenAt    time.Time     // when the head was seen; zero: none yet
	interval  time.Duration // between heads, smoothed; zero: not known

	polling   bool
	overtaken bool               // a higher head was announced while a poll was under way
	errors    int                // failed polls in a row
	live      context.CancelFunc // ends the subscription; nil: there is none
	settled   bool               // a poll has succeeded since the subscription began
	missed    int                // heads in a row that the subscription did not tell of
}

// An event is what the subscription or a poll has to say.
type event struct {
	header *chain.Header
	err    error
	polled bool               // else of the subscription
	live   context.CancelFunc // the subscription has begun
	ended  bool               // the subscription has ended
}

func (f *follower) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			if f.polling {
				break
			}
			if early := f.early(); early > 0 {
				timer.Reset(early)
				break
			}
			f.polling = true
			go f.poll(ctx)
		case ev := <-f.events:
			if next, ok := f.step(ev); ok {
				timer.Reset(next)
			}
		}
	}
}

// early is how much too early a poll would be now.
func (f *follower) early() time.Duration {
	if f.spaced == nil {
		return 0
	}
	r := f.spaced.Reserve()
	early := r.Delay()
	if early > 0 {
		r.Cancel()
	}
	return early
}

// poll asks for the head once.
func (f *follower) poll(ctx context.Context) {
	h, err := f.node.Head(ctx)
	select {
	case f.events <- event{header: h, err: err, polled: true}:
	case <-ctx.Done():
	}
}

// step takes in an event. It may say when to poll next.
func (f *follower) step(ev event) (next time.Duration, ok bool) {
	now := time.Now()
	switch {
	case ev.live != nil:
		f.live, f.settled, f.missed = ev.live, false, 0
		return 0, true // what was announced before
	case ev.ended:
		f.live = nil
		return 0, true
	case ev.polled:
		f.stepPoll(ev, now)
		f.polling, f.overtaken = false, false
		return f.wait(), true
	}
	f.polled(now)
	if ev.header.Number <= f.number && ev.header.Hash != f.last {
		return 0, true // perhaps older than a poll's: the node shall say
	}
	f.missed, f.overtaken = 0, f.polling
	f.see(ev.header, now)
	return f.wait(), true
}

func (f *follower) stepPoll(ev event, now time.Time) {
	if ev.err != nil {
		f.errors++
		return
	}
	f.errors = 0
	f.polled(now)
	if f.overtaken {
		return // it may be older than what was announced
	}
	isNew, settled := f.see(ev.header, now), f.settled
	f.settled = true
	if !isNew || !settled || f.live == nil {
		return
	}
	// The announcement may be on its way. If none comes for the next head
	// either, the subscription is dead.
	if f.missed++; f.missed > 2 {
		f.live()
		f.live = nil
	}
}

// see takes in a head and reports whether it is new.
func (f *follower) see(h *chain.Header, now time.Time) bool {
	if h.Hash == f.last {
		return false
	}
	if h.Number > f.number && !f.seenAt.IsZero() {
		f.learn(h, now)
	}
	f.node.budget.sawHead(h)
	f.last, f.number, f.timestamp, f.seenAt = h.Hash, h.Number, h.Timestamp, now
	f.moved(h)
	return true
}

// learn smooths the interval between blocks: by our time or by theirs,
// whichever is shorter. We may come late, and theirs may be set by hand.
func (f *follower) learn(h *chain.Header, now time.Time) {
	blocks := time.Duration(min(h.Number-f.number, 1000))
	between := now.Sub(f.seenAt) / blocks
	if h.Timestamp > f.timestamp {
		theirs := time.Duration(min(h.Timestamp-f.timestamp, 1e6)) * time.Second
		between = min(between, theirs/blocks)
	}
	if f.interval == 0 {
		f.interval = between
	}
	f.interval += (between - f.interval) / 4
}

// wait gives the time to the next poll.
func (f *follower) wait() time.Duration {
	loopback := f.node.loopback()
	slowest := pollSlowest
	if loopback {
		slowest = time.Second
	}
	if f.errors > 0 {
		return jitter(min(pollFastest<<min(f.errors-1, 16), max(slowest, f.every)))
	}
	switch {
	case f.live == nil || f.missed > 0:
	case loopback: // a development node does not announce that it takes blocks back
		return max(slowest, f.every)
	default: // a poll only checks it
		return max(2*f.pace(loopback), 4*slowest, f.every)
	}
	return max(f.pace(loopback), f.every)
}

// pace gives half of the interval between blocks, within bounds.
func (f *follower) pace(loopback bool) time.Duration {
	switch {
	case loopback && f.interval == 0:
		return pollLoopback
	case loopback:
		return min(max(f.interval/2, pollLoopbackMin), pollLoopback)
	case f.interval == 0:
		return time.Second
	}
	return min(max(f.interval/2, pollFastest), pollSlowest)
}
