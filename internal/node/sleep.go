package node

import (
	"errors"
	"time"
)

// lateness is by how much a busy machine may miss a moment.
const lateness = 2 * time.Second

// errSlept marks requests that failed because nobody was awake.
var errSlept = errors.New("the machine slept, or this process was stopped")

// slept reports whether the machine slept since a moment, or the process was
// stopped. What failed meanwhile says nothing: its deadline of so long may have
// passed with the answer waiting, its connection may have been given up. A
// machine that sleeps stops the monotonic clock, and not the one on the wall; a
// process that is stopped misses its deadline.
func slept(since time.Time, deadline time.Duration) bool {
	now := time.Now()
	awake := now.Sub(since)
	return now.Round(0).Sub(since.Round(0))-awake > lateness || awake > deadline+lateness
}
