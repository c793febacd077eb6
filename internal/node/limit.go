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
	defaultRate   = 50               // calls a second, off loopback
	recoverEvery  = 10 * time.Second // how often a lowered rate rises by a quarter
	slowestRate   = 0.5              // calls a second
	unlimitedFrom = 5000             // a rate that recovers beyond it is no limit
	longestWait   = time.Minute      // longer pauses are the caller's
)

// A limiter spaces calls. It goes slower when a node says so and recovers
// slowly. All endpoints of one kind share one.
type limiter struct {
	bucket *rate.Limiter
	most   rate.Limit

	mu      sync.Mutex // guards changed
	changed time.Time  // when the rate was last lowered or raised
}

func newLimiter(most rate.Limit) *limiter {
	burst := defaultRate
	if most != rate.Inf {
		burst = max(1, int(most))
	}
	return &limiter{bucket: rate.NewLimiter(most, burst), most: most}
}

// wait waits until n more calls may be made.
func (l *limiter) wait(ctx context.Context, n int) error {
	l.recover(time.Now())
	for n > 0 && l.bucket.Limit() != rate.Inf {
		some := min(n, l.bucket.Burst())
		if err := l.bucket.WaitN(ctx, some); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errorf(chain.RateLimited, "rate limit leaves no time for the request")
		}
		n -= some
	}
	return nil
}

// take counts calls that do not wait: the next ones wait longer.
func (l *limiter) take(n int) {
	l.bucket.ReserveN(time.Now(), min(n, l.bucket.Burst()))
}

// slower halves the rate, once for requests that were refused together.
func (l *limiter) slower(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.changed) < time.Second {
		return
	}
	l.changed = now
	if l.bucket.Limit() == rate.Inf {
		l.bucket.SetLimitAt(now, defaultRate)
		return
	}
	l.bucket.SetLimitAt(now, max(slowestRate, l.bucket.Limit()/2))
}

func (l *limiter) recover(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bucket.Limit() == l.most || now.Sub(l.changed) < recoverEvery {
		return
	}
	l.changed = now
	higher := min(l.most, l.bucket.Limit()*5/4)
	if l.most == rate.Inf && higher > unlimitedFrom {
		higher = rate.Inf
	}
	l.bucket.SetLimitAt(now, higher)
}

// A pause is the time that one endpoint asked for.
type pause struct {
	mu      sync.Mutex // guards all
	until   time.Time
	strikes int // refusals since the last success
}

// lengthen notes a refusal. Without a time from the node, the pause doubles
// with each refusal, from one second to half a minute.
func (p *pause) lengthen(after time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if after == 0 {
		if now.Before(p.until) {
			return // refused together with one before it
		}
		after = jitter(min(time.Second<<min(p.strikes, 5), 30*time.Second))
		p.strikes++
	}
	if at := now.Add(after); at.After(p.until) {
		p.until = at
	}
}

func (p *pause) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strikes = 0
}

// wait waits until the pause is over. It returns an error of class RateLimited
// at once if that is not within a minute, or not before ctx ends.
func (p *pause) wait(ctx context.Context) error {
	p.mu.Lock()
	left := time.Until(p.until)
	p.mu.Unlock()
	if left <= 0 {
		return nil
	}
	deadline, ok := ctx.Deadline()
	if left > longestWait || ok && time.Until(deadline) < left {
		e := errorf(chain.RateLimited, "the node asks to wait %s", left.Round(time.Second)).(*chain.Error)
		e.After = left
		return e
	}
	return sleep(ctx, left)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// jitter spreads a wait over its last fifth.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}
