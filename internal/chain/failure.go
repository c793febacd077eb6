package chain

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Class sorts failures by what they end and what answers them. The set is
// closed: classes are stored, and are label values of metrics.
type Class string

const (
	// EndpointDown: nothing answers; a state of the endpoint, not of blocks.
	EndpointDown Class = "endpoint_down"
	// EndpointRefuses: the endpoint will not serve us: 401, 403, 404, bad TLS.
	EndpointRefuses Class = "endpoint_refuses"
	// RateLimited: asked too much; wait and go slower.
	RateLimited Class = "rate_limited"
	// TooLarge: the request or its answer is over a limit; ask for less.
	TooLarge Class = "too_large"
	// Unsupported: the endpoint does not know the method.
	Unsupported Class = "unsupported"
	// NotYet: null for a block at the head; it may be there in a moment.
	NotYet Class = "not_yet"
	// Race: parts of different blocks of one number.
	Race Class = "race"
	// BlockError: an RPC error for this block while others are answered.
	BlockError Class = "block_error"
	// Invalid: a root, hash, count or link is wrong.
	Invalid Class = "invalid"
	// Timeout: no answer for this block while others are answered.
	Timeout Class = "timeout"
	// Pruned: the endpoint no longer has what is that old.
	Pruned Class = "pruned"
	// Fork: the block does not fit its stored neighbours.
	Fork Class = "fork"
	// Hole: a number that was in no table.
	Hole Class = "hole"
)

// Classes are all classes, in the order of their declaration.
var Classes = []Class{
	EndpointDown, EndpointRefuses, RateLimited, TooLarge, Unsupported, NotYet,
	Race, BlockError, Invalid, Timeout, Pruned, Fork, Hole,
}

// OfBlock reports whether a failure of this class belongs to the block that
// was asked for, so that it is recorded, rather than to the endpoint.
func (c Class) OfBlock() bool {
	switch c {
	case EndpointDown, EndpointRefuses, RateLimited, TooLarge, Unsupported:
		return false
	}
	return true
}

// An Error is an error with its class. Its text holds no secret.
type Error struct {
	Class Class
	Err   error
	// After is how long the endpoint asked us to wait; zero if it did not.
	After time.Duration
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ClassOf gives the class of an error: that of the [*Error] in its chain, or
// [BlockError] where there is none.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return BlockError
}

// A Failure is why a block is missing.
type Failure struct {
	Number  uint64
	Class   Class
	Message string
	Tries   int       // tries made so far, at least 1
	At      time.Time // of the last try
	NextAt  time.Time // of the next retry
}

// Waits is by how many tries the wait before the next retry has grown: what is
// pruned waits as long as anything does.
func (f *Failure) Waits() int {
	if f.Class == Pruned {
		return math.MaxInt
	}
	return f.Tries
}

// Failed makes the failure of a block from the error of its last try.
func Failed(number uint64, err error, tries int, at time.Time) *Failure {
	return &Failure{Number: number, Class: ClassOf(err), Message: bounded(err.Error()), Tries: tries, At: at}
}

// bounded keeps a message of a node from filling the database.
func bounded(message string) string {
	const most = 500
	if len(message) <= most {
		return message
	}
	return fmt.Sprintf("%.*s… (%d bytes)", most, message, len(message))
}
