package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

const (
	longestWait    = time.Minute // longer respites are the caller's
	longestRespite = time.Hour   // that is believed
)

// A respite is the time that one endpoint asked for.
type respite struct {
	mu      sync.Mutex // guards all
	until   time.Time
	strikes int // refusals since the last success
}

// lengthen notes a refusal. Without a time from the node, the respite doubles
// with each refusal, from one second to half a minute.
func (r *respite) lengthen(after time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after == 0 {
		if now.Before(r.until) {
			return // refused together with one before it
		}
		after = jitter(min(time.Second<<min(r.strikes, 5), 30*time.Second))
		r.strikes++
	}
	if at := now.Add(min(after, longestRespite)); at.After(r.until) {
		r.until = at
	}
}

func (r *respite) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strikes = 0
}

// wait waits until the respite is over. It returns an error of class RateLimited
// at once if that is not within a minute, or not before ctx ends.
func (r *respite) wait(ctx context.Context) error {
	left := r.left()
	deadline, ok := ctx.Deadline()
	if left > longestWait || ok && left > 0 && time.Until(deadline) < left {
		return paused(left)
	}
	return pause.For(ctx, left)
}

// left is how long the respite still is.
func (r *respite) left() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Until(r.until)
}

// paused is the error of a respite that is not waited for.
func paused(left time.Duration) error {
	err := fmt.Errorf("the node asks to wait %s", max(left.Round(time.Second), time.Second))
	return &chain.Error{Class: chain.RateLimited, Err: err, After: left}
}
