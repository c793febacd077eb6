package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

// A priority says which calls go first where they are counted by the day.
type priority int

const (
	leading priority = iota // heads, identity and probes, without which nothing is known; and all that a start asks
	atHead                  // blocks at the head, and what is asked about headers
	filling                 // blocks far below: catching up, and retries of old ones
	aside                   // what others ask for through us, which does not wait
)

const (
	day = 24 * time.Hour
	// A polledShare of the calls of a day is what polls take at most.
	polledShare = 10
	// How many calls may be made at once, as a part of a day's.
	burstShare, leastBurst, mostBurst = 200, 8, 500
	// startCalls is how many calls a start may make in advance.
	startCalls = 100
	// budgetLook is how often waits look at the clock, which may be set, or the
	// machine may have slept.
	budgetLook = 30 * time.Second
	// pacedFrom is how long a wait is at least that users hear of.
	pacedFrom = time.Second
)

// errBudget says that no call is left, or none for now.
var errBudget = errors.New("the calls of a day are limited")

// A Budget is what is left of the calls of a day.
type Budget struct {
	Daily    int       // calls a day
	Used     int       // since 00:00 UTC, or since the start if that was later
	Left     int       // until ResetsAt
	ResetsAt time.Time // 00:00 UTC

	PacedSince time.Time // since when calls wait so that those of the day last; zero: none waits
	Needed     int       // calls that following the chain takes a day at its present pace; 0: not known
}

// UsedUp reports whether nothing is asked for any more until ResetsAt.
func (b Budget) UsedUp() bool { return b.Left == 0 }

// Outgrown reports whether the chain grows faster than the calls of a day can
// follow.
func (b Budget) Outgrown() bool { return b.Needed > b.Daily }

// A budget shares out the calls of each UTC day, of all endpoints together. It
// sets aside what following the head will take until the end of the day, see
// reserve. Calls beyond that are spare and may be made at once: so a first sync
// takes seconds where the day has the calls, and a new day catches up first and
// keeps enough for its end.
//
// What is set aside always lasts to the end of the day: so much more may be made
// each second. What is not made is saved up to a burst, which blocks that are
// filled in may use; those at the head may also take a burst in advance, and
// what leads two. That is paid back before anything is filled in. All that is
// asked before the head is followed leads. A nil budget is no limit.
type budget struct {
	daily  int
	burst  int // calls at once
	logger *slog.Logger
	turns  map[priority]chan struct{} // each holds one while somebody waits, so that others wait behind

	mu      sync.Mutex // guards what follows
	day     time.Time  // 00:00 UTC of the day that all is about
	granted int        // calls of that day
	used    int        // of granted
	saved   float64    // calls that may be made at once; below 0 if some were taken in advance
	at      time.Time  // when saved was reckoned
	told    bool       // that it is used up
	resumed time.Time  // when it began anew after it was used up

	following  bool      // the start's own checks are done
	waiting    int       // who waits for calls and does not know when to give up
	pacedSince time.Time // when the first of them began to
	need       need
	outgrown   bool // that was said
}

// newBudget gives nil for no calls a day. Of a day that has begun, it grants the
// part that is left: nobody knows what was used before a start.
func newBudget(daily int, logger *slog.Logger) *budget {
	if daily <= 0 {
		return nil
	}
	now := time.Now().UTC()
	b := &budget{
		daily: daily, burst: min(max(leastBurst, daily/burstShare), mostBurst), logger: logger,
		turns: map[priority]chan struct{}{leading: make(chan struct{}, 1), atHead: make(chan struct{}, 1), filling: make(chan struct{}, 1)},
		day:   now.Truncate(day), at: now, need: newNeed(),
	}
	b.granted = int(math.Ceil(float64(daily) * float64(b.ends().Sub(now)) / float64(day)))
	return b
}

// wait waits until n more calls may be made, at most a burst, and counts them.
// It returns an error of class RateLimited at once if that is not before ctx
// ends.
func (b *budget) wait(ctx context.Context, n int, p priority) error {
	if b == nil {
		return nil
	}
	if turn := b.turns[p]; turn != nil {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	paced := false
	for {
		left := b.take(time.Now(), n, p)
		if left == 0 {
			return nil
		}
		if deadline, ok := ctx.Deadline(); p == aside || ok && time.Until(deadline) < left {
			return b.exceeded(left)
		}
		if !paced && left >= pacedFrom {
			paced = true
			b.pace(1)
			defer b.pace(-1)
		}
		if err := pause.For(ctx, min(left, budgetLook)); err != nil {
			return err
		}
	}
}

// exceeded is the error of a wait that is not waited for.
func (b *budget) exceeded(left time.Duration) error {
	s := b.snapshot()
	err := fmt.Errorf("%w to %d, and the next may be made in %s", errBudget, s.Daily, max(left.Round(time.Second), time.Second))
	if s.UsedUp() {
		err = fmt.Errorf("%w to %d, which are used up until 00:00 UTC", errBudget, s.Daily)
	}
	return &chain.Error{Class: chain.RateLimited, Err: err, After: left}
}

// take counts n calls, or says how long to wait before they may be made.
func (b *budget) take(now time.Time, n int, p priority) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reckon(now)
	if !b.following && p != aside {
		p = leading
	}
	left := b.ends().Sub(b.at)
	if p == leading && n > b.left() {
		b.useUp() // what is left is too little to know anything
	}
	if n > b.left()-b.kept(p) {
		return left
	}
	if n > b.left()-b.reserve() {
		if lacking := float64(n) - b.saved - b.advance(p); lacking > 0 {
			return min(left, max(time.Millisecond, time.Duration(lacking/b.perSecond()*float64(time.Second))))
		}
		b.saved -= float64(n)
	}
	if b.used += n; b.left() == 0 {
		b.useUp()
	}
	return 0
}

// pace counts who waits.
func (b *budget) pace(waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == 0 {
		b.pacedSince = time.Now()
	}
	b.waiting += waiting
}

// reckon brings the budget to the present; b.mu is held. It goes by the wall
// clock, which may also be set back.
func (b *budget) reckon(now time.Time) {
	now = now.UTC().Round(0)
	if since := now.Sub(b.at); since > 0 {
		b.saved = min(float64(b.burst), b.saved+b.perSecond()*since.Seconds())
	}
	b.at = now
	today := now.Truncate(day)
	if today.After(b.day) {
		if b.told {
			b.logger.Info("the calls of the day begin anew", "calls", b.daily)
			b.resumed = now
		}
		b.granted, b.used, b.told = b.daily, 0, false
		b.saved = max(0, b.saved) // what was taken in advance was of the day before
	}
	b.day = today
}

// useUp leaves nothing of the day; b.mu is held.
func (b *budget) useUp() {
	b.granted = b.used
	if !b.told {
		b.logger.Warn("the calls of the day are used up", "calls", b.used, "until", b.ends())
	}
	b.told = true
}

func (b *budget) ends() time.Time { return b.day.Add(day) }
func (b *budget) left() int       { return b.granted - b.used }

// share is the part of the day that is left; b.mu is held.
func (b *budget) share() float64 { return float64(b.ends().Sub(b.at)) / float64(day) }

// perSecond is how many calls a second last to the end of the day; b.mu is held.
func (b *budget) perSecond() float64 {
	return float64(b.left()) / max(1, b.ends().Sub(b.at).Seconds())
}

// advance is how many calls may be made before they are due; b.mu is held.
func (b *budget) advance(p priority) float64 {
	switch {
	case !b.following && p == leading:
		return float64(max(2*b.burst, startCalls))
	case p == leading:
		return float64(2 * b.burst)
	case p == atHead:
		return float64(b.burst)
	}
	return 0
}

// kept is how many calls stay for what goes first: those of polls for what leads,
// and the next blocks at the head. b.mu is held.
func (b *budget) kept(p priority) int {
	polls := float64(b.daily) / polledShare * b.share()
	needed := b.need.daily(b.daily, b.at)
	switch {
	case p == leading:
		return 0
	case p == atHead || needed == 0 || needed > float64(b.daily):
		return int(polls)
	}
	return int(needed*b.share() + 2*b.need.perBlock())
}

// reserve is how many calls following the head takes until the end of the day,
// with a quarter more than is known: at least a quarter of the time's part of
// the day's calls. Where the day has too few, it can't be followed whatever is
// set aside, and half is. b.mu is held.
func (b *budget) reserve() int {
	const least, outgrown, more = 0.25, 0.5, 1.25
	needed, daily := b.need.daily(b.daily, b.at), float64(b.daily)
	if needed > daily {
		return int(math.Ceil(outgrown * daily * b.share()))
	}
	return int(math.Ceil(min(daily, max(least*daily, more*needed)) * b.share()))
}

// atOnce is how many calls a request may have.
func (b *budget) atOnce() int {
	if b == nil {
		return math.MaxInt
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(1, min(b.burst, b.left()-b.kept(filling)))
}

func (b *budget) snapshot() Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reckon(time.Now())
	s := Budget{Daily: b.daily, Used: b.used, Left: b.left(), ResetsAt: b.ends(), Needed: int(b.need.daily(b.daily, b.at))}
	if b.waiting > 0 && !s.UsedUp() {
		s.PacedSince = b.pacedSince
	}
	return s
}

// follow says that the start's own checks are done.
func (b *budget) follow() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.following = true
}

// Spent says, before anything is asked for, that calls were made since 00:00 UTC
// before this start. They are not made again.
func (n *Node) Spent(calls int) {
	b := n.budget
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.granted = max(0, min(b.granted, b.daily-calls))
}

// Budget tells how many calls are left of the day; ok is false if they are not
// limited.
func (n *Node) Budget() (b Budget, ok bool) {
	if n.budget == nil {
		return b, false
	}
	return n.budget.snapshot(), true
}

// PollEvery is the least time between polls, so that they take a tenth of the
// calls of a day: the one for the head and, with several endpoints, a look at
// each and a comparison with the leader. It is 0 if calls are not limited.
func (n *Node) PollEvery() time.Duration {
	if n.budget == nil {
		return 0
	}
	calls := 1
	if several := len(n.endpoints()); several > 1 {
		calls += several + 2*(several-1)
	}
	return day * polledShare * time.Duration(calls) / time.Duration(n.budget.daily)
}

// RestsUntil is until when nothing is asked for because the calls of the day
// are used up, or was for the last time. It is zero if that never was.
func (n *Node) RestsUntil() time.Time {
	if n.budget == nil {
		return time.Time{}
	}
	n.budget.mu.Lock()
	defer n.budget.mu.Unlock()
	n.budget.reckon(time.Now())
	if n.budget.told {
		return n.budget.ends()
	}
	return n.budget.resumed
}
