package node

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gapless/internal/chain"
)

const (
	defaultRate   = 50   // calls a second, off loopback
	slowestRate   = 0.5  // calls a second
	slowestNear   = 10   // calls a second, on loopback
	unlimitedFrom = 5000 // a rate that would grow beyond it is no limit
	recovered     = 4    // ... or beyond this many times the rate that was given
	// spread is how many requests a second share a lowered rate. With a few large
	// ones it would take long to learn how many are refused.
	spread = 10
	// Beyond this share of refused requests, some make the rate lower: fewer come
	// by chance. If it is lowered already, it is for the search for a higher one.
	fairShare, tooMany, tooManyLowered = 0.1, 3.5, 2.2
	// margin is by how much a lowered rate is below what was answered, so that a
	// node that counts calls over a time has some to spare.
	margin = 0.1
	// A lowered rate has grown by e^(growth·t³) after t seconds, as CUBIC's
	// window: little at first, as what was answered is near the limit, then soon.
	growth = 0.0005
	// stepDown is by how much a lowered rate is lower for each time that the node
	// asks to wait.
	stepDown = 0.1
)

// A limiter spaces calls. It has a rate if it was given one, or if a node
// refuses more than a fair share of the requests: then it is what was answered
// just before. A lowered rate grows until that happens again. Each endpoint has
// a limiter, or all share the one of a rate that was given.
type limiter struct {
	bucket *rate.Limiter
	most   rate.Limit
	burst  int           // at most
	turn   chan struct{} // holds one while somebody waits, so that a new rate is for all others

	mu       sync.Mutex // guards what follows
	requests sizes
	answers  throughput
	refused  float64       // requests beyond the fair share
	lowered  bool          // the rate, or the size of requests while it is
	since    time.Time     // when either was lowered; requests sent before say nothing
	base     rate.Limit    // to which the rate was lowered
	grown    time.Duration // how long it has grown since, up to the moment at
	at       time.Time
}

func newLimiter(most rate.Limit) *limiter {
	burst := defaultRate
	if most != rate.Inf {
		burst = max(1, int(most))
	}
	return &limiter{bucket: rate.NewLimiter(most, burst), most: most, burst: burst, turn: make(chan struct{}, 1)}
}

// errSmaller says that the request is too large by now.
var errSmaller = errors.New("requests have fewer calls now")

// wait waits until a request of n calls may be sent. It returns errSmaller if it
// may not have so many any more.
func (l *limiter) wait(ctx context.Context, n int) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	began := time.Now()
	l.recover(began)
	if n > l.atOnce() {
		return errSmaller
	}
	for n > 0 && l.bucket.Limit() != rate.Inf {
		some := min(n, l.bucket.Burst())
		if err := l.bucket.WaitN(ctx, some); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if some > l.bucket.Burst() {
				continue // lowered just now
			}
			return errorf(chain.RateLimited, "rate limit leaves no time for the request")
		}
		n -= some
	}
	l.waited(time.Since(began))
	return nil
}

// take counts calls that do not wait: the next ones wait longer.
func (l *limiter) take(n int) {
	l.bucket.ReserveN(time.Now(), min(n, l.bucket.Burst()))
}

// atOnce is how many calls a request may have.
func (l *limiter) atOnce() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bucket.Limit() == rate.Inf {
		return l.requests.most()
	}
	return min(l.requests.most(), l.bucket.Burst())
}

// learn takes in how many calls of one request were answered, how many were
// refused because they are too many for now, and whether the node said for how
// long.
func (l *limiter) learn(sent time.Time, answered, refused int, after time.Duration) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow(now)
	l.answers.add(now, answered)
	if !sent.After(l.since) {
		return
	}
	l.requests.saw(answered, refused)
	l.refused = max(0, l.refused+float64(refused)/float64(answered+refused)-fairShare)
	switch {
	case after > 0 && l.lowered: // with a wait after each, a share says little
		l.requests.shrink()
		l.lower(now, (1-stepDown)*l.bucket.Limit())
	case l.refused > tooMany || l.lowered && l.refused > tooManyLowered || l.requests.allRefused():
		l.slower(now)
	}
}

// slower makes the rate lower, or instead the requests smaller if only the large
// ones are refused; both for the first time, and if all were refused.
func (l *limiter) slower(now time.Time) {
	both := !l.lowered || l.requests.allRefused()
	limit := l.bucket.Limit()
	if l.requests.shrink() && !both {
		l.lower(now, limit)
		return
	}
	answered := l.answers.rate(now)
	if limit == rate.Inf {
		limit = 2 * max(defaultRate, answered)
	}
	l.lower(now, max(limit/4, (1-margin)*min(limit, answered)))
}

// lower sets the rate from which it grows.
func (l *limiter) lower(now time.Time, limit rate.Limit) {
	least := rate.Limit(slowestRate)
	if l.most == rate.Inf {
		least = slowestNear
	}
	l.base, l.grown, l.since = max(least, limit), 0, now
	l.lowered, l.refused = true, 0
	l.set(now, l.base)
}

func (l *limiter) recover(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow(now)
}

// waited takes in how long somebody had to wait for the rate, one after the
// other.
func (l *limiter) waited(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grown += d
}

// grow lets a lowered rate grow. Time in which nobody waits counts a tenth: a
// rate that is not used up is not known to be too low.
func (l *limiter) grow(now time.Time) {
	idle := now.Sub(l.at) / 10
	l.at = now
	if !l.lowered {
		return
	}
	l.grown += idle
	t := l.grown.Seconds()
	l.set(now, l.base*rate.Limit(math.Exp(growth*t*t*t)))
}

// set sets a lowered rate, or none if it would be far beyond what there may be at
// most. While it is lowered there are no more calls at once than a request has.
func (l *limiter) set(now time.Time, limit rate.Limit) {
	l.lowered = limit <= min(unlimitedFrom, recovered*l.most)
	burst := l.burst
	if limit = min(limit, l.most); l.lowered {
		burst = max(1, min(burst, int(limit/spread)))
	} else {
		limit = l.most
	}
	l.bucket.SetBurstAt(now, burst)
	l.bucket.SetLimitAt(now, limit)
}

// A throughput measures how many calls are answered in a second, of late.
type throughput struct {
	from, second  time.Time // when the stretch before began, and the present one
	before, calls int       // in these
}

func (m *throughput) add(now time.Time, calls int) {
	switch since := now.Sub(m.second); {
	case since >= 3*time.Second: // long ago
		m.from, m.second, m.before, m.calls = now, now, 0, 0
	case since >= time.Second:
		m.from, m.second, m.before, m.calls = m.second, now, m.calls, 0
	}
	m.calls += calls
}

// rate is that of the last one to two seconds.
func (m *throughput) rate(now time.Time) rate.Limit {
	m.add(now, 0)
	return rate.Limit(float64(m.before+m.calls) / max(1, now.Sub(m.from).Seconds()))
}

// jitter spreads a wait over its last fifth.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}
