package gapfill

import (
	"math/rand/v2"
	"time"
)

// DefaultBase makes the first retry come 16 s after three inline tries, and a
// later one 34 minutes after the one before it at the most.
const DefaultBase = 2 * time.Second

// doublings is how often the wait doubles before it stays as it is.
const doublings = 10

// jitter spreads a wait over this part of its length to either side, so that
// blocks that failed together do not come back together.
const jitter = 0.1

// A Backoff grows the wait before the next retry of a block: Base, doubled for
// each try so far up to ten times, give or take a tenth.
type Backoff struct{ Base time.Duration }

// Delay is the wait after a number of tries.
func (b Backoff) Delay(tries int) time.Duration {
	d := b.Base << min(max(tries, 0), doublings)
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// Longest is the longest wait that Delay gives.
func (b Backoff) Longest() time.Duration {
	return time.Duration(float64(b.Base<<doublings) * (1 + jitter))
}
