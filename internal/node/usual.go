package node

import (
	"sync"
	"time"
)

// A usual is how long it takes until an answer comes in, estimated as TCP
// estimates round trips (RFC 6298). It is safe for concurrent use.
type usual struct {
	mu        sync.Mutex // guards what follows
	mean      time.Duration
	deviation time.Duration
	known     bool
}

func (u *usual) saw(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.known {
		u.mean, u.deviation, u.known = d, d/2, true
		return
	}
	u.deviation += ((u.mean - d).Abs() - u.deviation) / 4
	u.mean += (d - u.mean) / 8
}

// Waits of a hedge. None is longer than the timeout of an exchange.
const (
	leastPatience = 500 * time.Millisecond
	firstPatience = time.Second // before anything was answered
)

// patience is how long an answer takes at most, usually.
func (u *usual) patience(timeout time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.known {
		return min(firstPatience, timeout/2)
	}
	return min(max(leastPatience, u.mean+4*u.deviation), timeout/2)
}

// deadline is how long an answer is awaited while other requests are answered.
func (u *usual) deadline(timeout time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.known {
		return timeout
	}
	return min(max(silentAfter, 4*u.mean), timeout)
}

// dead is how long nothing at all is answered before another endpoint is asked.
func (u *usual) dead(timeout time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return min(2*max(silentAfter, 4*u.mean), timeout)
}

func (u *usual) isKnown() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known
}
