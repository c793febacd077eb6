package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// Error codes: those of JSON-RPC, of EIP-1474, and of geth where it has one.
const (
	codeServer      = -32000 // also: a block is missing
	codeTimedOut    = -32002
	codeUnsupported = -32004 // needs what an index does not hold
	codeTooLarge    = -32003 // a batch, as with geth
	codeLimit       = -32005 // more results than one answer may have, or than are made at once
	codeNoMethod    = -32601
	codeParams      = -32602
	codePruned      = 4444 // below the start block
)

// An Error is an answer that is an error. The rpc package asks it for its parts.
type Error struct {
	Code    int
	Message string
	Data    any // nil: none
}

func (e *Error) Error() string { return e.Message }

// ErrorCode is the error's code.
func (e *Error) ErrorCode() int { return e.Code }

// ErrorData is what the error has beside its message.
func (e *Error) ErrorData() any { return e.Data }

func serverf(format string, args ...any) error {
	return &Error{Code: codeServer, Message: fmt.Sprintf(format, args...)}
}

var (
	errPruned        = &Error{Code: codePruned, Message: "pruned history unavailable"}
	errPending       = &Error{Code: codeUnsupported, Message: "the index holds no pending block, which needs the state; ask a node"}
	errPendingLogs   = &Error{Code: codeParams, Message: "pending logs are not supported"}
	errRange         = &Error{Code: codeParams, Message: "invalid block range params"}
	errFuture        = &Error{Code: codeParams, Message: "block range extends beyond current head block"}
	errUnknownBlock  = &Error{Code: codeServer, Message: "unknown block"}
	errEmpty         = &Error{Code: codeServer, Message: "no block is stored yet"}
	errReadOnly      = &Error{Code: codeUnsupported, Message: "gapless only reads; send to the node"}
	errNoFilter      = &Error{Code: codeServer, Message: "filter not found"}
	errTooManyTopics = &Error{Code: codeServer, Message: "exceed max addresses or topics per search position"}
)

// mostRanges is how many ranges of missing blocks an answer has.
const mostRanges = 100

// Missing is what gapless_missing answers, and the data of an error about
// missing blocks.
type Missing struct {
	Missing []MissingRange `json:"missing"` // in order
	More    bool           `json:"more,omitempty"`
}

// A MissingRange is a run of missing blocks.
type MissingRange struct {
	First hexutil.Uint64 `json:"first"`
	Last  hexutil.Uint64 `json:"last"`
	// NextRetryAt is when the first of them is tried again; null if they were
	// given up.
	NextRetryAt *time.Time `json:"nextRetryAt"`
}

func newMissing(ranges []store.MissingRange, more bool) *Missing {
	m := &Missing{Missing: []MissingRange{}, More: more}
	for _, r := range ranges {
		one := MissingRange{First: hexutil.Uint64(r.First), Last: hexutil.Uint64(r.Last)}
		if !r.NextRetryAt.IsZero() {
			at := r.NextRetryAt.UTC()
			one.NextRetryAt = &at
		}
		m.Missing = append(m.Missing, one)
	}
	return m
}

// missing makes the error that says which blocks are.
func missing(ranges []store.MissingRange, more bool) error {
	r := ranges[0]
	what := fmt.Sprintf("block %d is missing from the index", r.First)
	if len(ranges) > 1 || more || r.First != r.Last {
		what = fmt.Sprintf("blocks are missing from the index, the first of them is %d", r.First)
	}
	return &Error{Code: codeServer, Message: what, Data: newMissing(ranges, more)}
}

// timely says of a call that has taken too long that it has.
func timely(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: codeTimedOut, Message: "request timed out"}
	}
	return err
}
