package node

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gapless/internal/chain"
)

const (
	defaultRate   = 50          // calls a second, off loopback
	lowerEvery    = time.Second // at most
	recoverEvery  = time.Second // how often a lowered rate rises
	slowestRate   = 0.5         // calls a second
	slowestNear   = 10          // calls a second, on loopback
	unlimitedFrom = 5000        // a rate that recovers beyond it is no limit
)

// A limiter spaces calls. It goes slower when a node says so, and recovers: soon
// up to a little less than what was too fast, beyond that slowly. Each endpoint
// has one, or all share the one of a rate that was given.
type limiter struct {
	bucket *rate.Limiter
	most   rate.Limit
	burst  int // at most

	mu      sync.Mutex // guards what follows
	good    rate.Limit // up to where the rate recovers soon
	lowered time.Time  // when the rate was last lowered
	resumed time.Time  // when the respite after that is over
	raised  int        // steps of recoverEvery since then

	// How many calls there were in the second that has begun, and in the one before.
	second        time.Time
	calls, before int
}

func newLimiter(most rate.Limit) *limiter {
	burst := defaultRate
	if most != rate.Inf {
		burst = max(1, int(most))
	}
	return &limiter{bucket: rate.NewLimiter(most, burst), most: most, burst: burst}
}

// wait waits until n more calls may be made.
func (l *limiter) wait(ctx context.Context, n int) error {
	now := time.Now()
	l.recover(now)
	l.count(now, n)
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
	return nil
}

// take counts calls that do not wait: the next ones wait longer.
func (l *limiter) take(n int) {
	now := time.Now()
	l.count(now, n)
	l.bucket.ReserveN(now, min(n, l.bucket.Burst()))
}

func (l *limiter) count(now time.Time, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.second); since >= time.Second {
		if since >= 2*time.Second {
			l.calls = 0
		}
		l.before, l.calls, l.second = l.calls, 0, now
	}
	l.calls += n
}

// slower halves the rate, once for requests that were refused together. Where
// there was no limit, the rate is what it was in the last two seconds. It
// recovers once the respite is over.
func (l *limiter) slower(now time.Time, respite time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.lowered) < lowerEvery {
		return
	}
	refused, least := l.bucket.Limit(), rate.Limit(slowestRate)
	if l.most == rate.Inf {
		least = slowestNear
	}
	if refused == rate.Inf {
		refused = max(2*defaultRate, rate.Limit(max(l.calls, l.before)))
	}
	if good := refused * 9 / 10; l.raised > 0 || l.good == 0 {
		l.good = good
	} else {
		l.good = max(good, l.good*9/10) // requests may have waited since before it was lowered
	}
	l.lowered, l.resumed, l.raised = now, now.Add(respite), 0
	l.set(now, max(least, refused/2))
}

func (l *limiter) recover(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.bucket.Limit()
	limit := before
	for limit != l.most && now.Sub(l.resumed) >= time.Duration(l.raised+1)*recoverEvery {
		l.raised++
		limit = min(l.most, l.next(limit))
		if l.most == rate.Inf && limit > unlimitedFrom {
			limit = rate.Inf
		}
	}
	if limit != before {
		l.set(now, limit)
	}
}

// next gives the rate that follows one. Beyond what was good it rises by half a
// percent, then by one and so on: a refusal that had other reasons is soon
// forgotten.
func (l *limiter) next(limit rate.Limit) rate.Limit {
	if limit < l.good {
		return min(l.good, limit+l.good/4)
	}
	return limit * (1 + rate.Limit(l.raised)/200)
}

// set sets the rate. A lowered one has no more at once than a quarter of a
// second's.
func (l *limiter) set(now time.Time, limit rate.Limit) {
	burst := l.burst
	if limit != l.most {
		burst = max(1, min(burst, int(limit/4)))
	}
	l.bucket.SetBurstAt(now, burst)
	l.bucket.SetLimitAt(now, limit)
}

// jitter spreads a wait over its last fifth.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}
