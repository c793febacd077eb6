package node

import (
	"errors"
	"math"
	"sync/atomic"

	"gapless/internal/chain"
)

// What an answer may have at most, in bytes. A batch that has more is asked for
// in parts.
const (
	largestAnswer = 256 << 20
	largestBatch  = 32 << 20
)

// A bound is how many bytes an answer may have, and the error of one that has
// more.
type bound struct {
	bytes    int64
	exceeded error
}

// boundOf gives the bound of the answer to a request.
func boundOf(calls []*call) bound {
	b := bound{bytes: largestAnswer}
	if len(calls) > 1 {
		b.bytes = largestBatch
	}
	if left := calls[0].within.most(); left < b.bytes {
		return bound{left, errorf(chain.TooLarge, "%w", errAllowance)}
	}
	b.exceeded = errorf(chain.TooLarge, "answer of more than %d MB", b.bytes>>20)
	return b
}

// errAllowance says that blocks take more than the caller of Blocks wants to
// have: no endpoint is to blame, and smaller requests don't help.
var errAllowance = errors.New("the blocks take more than they may")

// An allowance is how many bytes the answers to all requests of a call of Blocks
// may have.
type allowance struct{ left atomic.Int64 }

// allow gives an allowance; nil, for as much as there is, of none.
func allow(bytes int64) *allowance {
	if bytes <= 0 {
		return nil
	}
	a := new(allowance)
	a.left.Store(bytes)
	return a
}

// most is how many bytes are left.
func (a *allowance) most() int64 {
	if a == nil {
		return math.MaxInt64
	}
	return max(0, a.left.Load())
}

// exceeded reports whether more than all was taken.
func (a *allowance) exceeded() bool { return a != nil && a.left.Load() < 0 }

func (a *allowance) take(bytes int) {
	if a != nil {
		a.left.Add(-int64(bytes))
	}
}
