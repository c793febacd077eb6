package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"time"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
)

// What an answer may have at most, in bytes, and all together while they are read.
// A batch that has more is asked for in parts.
const (
	allAnswers    = 256 << 20
	largestAnswer = 128 << 20
	largestBatch  = 32 << 20
)

// roomTime is how long an answer waits for others that are read.
const roomTime = 2 * time.Second

// A bound is how many bytes an answer may have, the error of one that has more, and
// what it holds of what all may have.
type bound struct {
	bytes    int64
	exceeded error
	hold     *bytebudget.Hold // of what is read
}

// boundOf gives the bound of the answer to a request.
func boundOf(calls []*call) bound {
	b := bound{bytes: largestAnswer}
	if len(calls) > 1 {
		b.bytes = largestBatch
	}
	if left := calls[0].within.most(); left < b.bytes {
		return bound{bytes: left, exceeded: errorf(chain.TooLarge, "%w", errAllowance)}
	}
	b.exceeded = errorf(chain.TooLarge, "%w of more than %d MB", errEndless, b.bytes>>20)
	return b
}

// read reads an answer whole. What it has is held before it is read; who finds no
// room for it asks for less, or later.
func (b bound) read(ctx context.Context, from io.Reader) ([]byte, error) {
	var pieces [][]byte
	for size := int64(0); ; {
		piece := make([]byte, min(max(4<<10, size), 1<<20, b.bytes+1-size))
		if err := roomFor(ctx, b.hold, size+int64(len(piece))); err != nil {
			return nil, err
		}
		n, err := fill(piece, from)
		pieces, size = append(pieces, piece[:n]), size+int64(n)
		switch {
		case size > b.bytes:
			return nil, b.exceeded
		case err == io.EOF:
			return joined(pieces), nil
		case err != nil:
			return joined(pieces), err
		}
	}
}

// fill reads until the piece is full or there is an error.
func fill(piece []byte, from io.Reader) (n int, err error) {
	for n < len(piece) && err == nil {
		var more int
		more, err = from.Read(piece[n:])
		n += more
	}
	return n, err
}

// joined is the pieces in one, which is no copy if there is one.
func joined(pieces [][]byte) []byte {
	if len(pieces) == 1 {
		return pieces[0]
	}
	return bytes.Join(pieces, nil)
}

// roomFor waits until an answer may have so many bytes. To wait for long would be
// to hold what else the endpoint is asked.
func roomFor(ctx context.Context, hold *bytebudget.Hold, size int64) error {
	if size = max(size, bytebudget.Small); size <= hold.Bytes() || hold.TryResize(size) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	err := hold.Resize(within, size)
	if err != nil && ctx.Err() == nil {
		return errorf(chain.TooLarge, "answers of nodes have %d MB already", allAnswers>>20)
	}
	return err
}

// errAllowance says that blocks take more than the caller of Blocks wants to
// have: no endpoint is to blame, and smaller requests don't help.
var errAllowance = errors.New("the blocks take more than they may")

// errEndless says that an answer has more than any block takes, if it is of one.
var errEndless = errors.New("answer")

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
