package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"gapless/internal/bytebudget"
)

// A request is one request of a client while it is answered: a call or a batch,
// over HTTP or in a message. What it holds is of the client's account.
type request struct {
	handler *Handler
	hold    *bytebudget.Hold
	base    int64       // of the hold: the request, and a small answer
	asked   http.Header // of the request
	header  http.Header // of the answer over HTTP; nil: in a message
	status  func(code int)
	whole   io.Writer             // takes an answer in one piece
	parts   func() io.WriteCloser // takes an answer in pieces
}

var errLargeBody = errors.New("the request is too large")

// read reads the request. What is large is held before it is read.
func (q *request) read(ctx context.Context, from io.Reader) ([]byte, error) {
	const small = bytebudget.Small / 2
	if err := q.hold.Resize(ctx, bytebudget.Small); err != nil {
		return nil, err
	}
	q.base = bytebudget.Small
	body, err := io.ReadAll(io.LimitReader(from, small))
	if err != nil || len(body) < small {
		return body, err
	}
	if err := q.hold.Resize(ctx, bytebudget.Small+2*mostBody); err != nil {
		return nil, err
	}
	body, err = io.ReadAll(io.MultiReader(bytes.NewReader(body), io.LimitReader(from, mostBody+1-small)))
	if err == nil && len(body) > mostBody {
		err = errLargeBody
	}
	q.base += 2 * int64(len(body)) // a batch is taken apart
	return body, errors.Join(err, q.hold.Resize(ctx, q.base))
}

// answer answers. An error is for nobody but the connection.
func (q *request) answer(ctx context.Context, body []byte) error {
	if calls := batchOf(body); 0 < len(calls) && len(calls) <= mostBatch {
		return q.batch(ctx, calls)
	}
	s := q.newStream(body)
	if s == nil {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		return q.make(ctx, &part{request: q, body: body, header: q.header})
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, streamKey{}, s))
	defer cancel()
	defer context.AfterFunc(q.handler.ending, cancel)()
	ctx = context.WithValue(ctx, http.ServerContextKey, nil) // has a limit of time, after which it would answer
	err := q.make(ctx, &part{request: q, body: body, header: q.header, stream: s})
	if s.begun && !s.ended {
		return errCut
	}
	return err
}

// errCut is of an answer that has begun and can't be ended.
var errCut = errors.New("the answer is cut off")

// batchOf gives the calls of a batch, none if it is not one.
func batchOf(body []byte) (calls []json.RawMessage) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) || json.Unmarshal(body, &calls) != nil {
		return nil
	}
	return calls
}
