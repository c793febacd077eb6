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
	// patience is how many refusals in a row are no reason for a respite, unless
	// the node asks for one.
	patience = 2
)

// A respite is a time in which one endpoint is asked for nothing.
type respite struct {
	mu      sync.Mutex // guards all
	until   time.Time
	strikes int // refusals since the last answer
}

// refused notes a refusal. Without a time from the node there is a respite only
// if nothing is answered any more: it doubles from one second to half a minute.
func (r *respite) refused(after time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after == 0 {
		if now.Before(r.until) {
			return // refused together with one before it
		}
		if r.strikes++; r.strikes <= patience {
			return
		}
		after = jitter(min(time.Second<<min(r.strikes-patience-1, 5), 30*time.Second))
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
