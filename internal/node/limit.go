package node

import (
	"context"
	"fmt"
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
	longestPause  = time.Hour        // that is believed
)

// A limiter spaces calls. It goes slower when a node says so and recovers
// slowly. Each endpoint has one, or all share the one of a rate that was given.
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
	limit, steps := l.bucket.Limit(), 0
	for ; limit != l.most && now.Sub(l.changed) >= recoverEvery; steps++ {
		l.changed = l.changed.Add(recoverEvery)
		limit = min(l.most, limit*5/4)
		if l.most == rate.Inf && limit > unlimitedFrom {
			limit = rate.Inf
		}
	}
	if steps > 0 {
		l.bucket.SetLimitAt(now, limit)
	}
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
	if at := now.Add(min(after, longestPause)); at.After(p.until) {
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
	left := p.left()
	deadline, ok := ctx.Deadline()
	if left > longestWait || ok && left > 0 && time.Until(deadline) < left {
		return paused(left)
	}
	if left <= 0 {
		return nil
	}
	return sleep(ctx, left)
}

// left is how long the pause still is.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}

// paused is the error of a pause that is not waited for.
func paused(left time.Duration) error {
	err := fmt.Errorf("the node asks to wait %s", max(left.Round(time.Second), time.Second))
	return &chain.Error{Class: chain.RateLimited, Err: err, After: left}
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
