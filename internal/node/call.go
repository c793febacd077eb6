package node

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// An AnswerError is what a node answered to a [Node.Call] instead of a result.
// Its parts hold no secret.
type AnswerError struct{ answer *rpcError }

// Error is the node's message.
func (e *AnswerError) Error() string { return e.answer.Message }

// ErrorCode is the node's code.
func (e *AnswerError) ErrorCode() int { return e.answer.Code }

// ErrorData is what the node's error has beside, nil if there is nothing.
func (e *AnswerError) ErrorData() any {
	if e.answer.Data == nil {
		return nil
	}
	return e.answer.Data
}

// Call passes a call of somebody else's on to the node that leads, and gives
// its result. What the node answers instead is an [*AnswerError]; other errors
// are sorted. Where calls are counted by the day, it does not wait for one that may
// be made. The caller says which methods may be called.
func (n *Node) Call(ctx context.Context, method string, params []json.RawMessage) (result json.RawMessage, err error) {
	if b, ok := n.Budget(); ok && b.UsedUp() {
		return nil, n.budget.exceeded(time.Until(b.ResetsAt))
	}
	given := make([]any, len(params))
	for i, p := range params {
		given[i] = p
	}
	err = n.use(ctx, func(e *endpoint) error {
		c := newCall(method, given...).of(aside)
		if err := e.do(ctx, []*call{c}, 1); err != nil {
			return err
		}
		result = c.raw
		return c.err
	})
	if answer, ok := errors.AsType[*rpcError](err); ok {
		return nil, &AnswerError{answer}
	}
	return result, err
}
