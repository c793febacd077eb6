package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A stream is the answer to a request with one call, over HTTP, that may be sent
// in parts. Once it has begun, what others write of the answer is dropped, and
// what goes wrong can be told only by cutting the connection.
type stream struct {
	http.ResponseWriter
	id     json.RawMessage // of the call
	begun  bool
	ended  bool // as it is to be
	writes *http.ResponseController
}

// streamed are the methods whose answers may be large.
var streamed = [][]byte{[]byte("eth_getLogs"), []byte("eth_getFilterLogs")}

// newStream makes a stream for a request, nil unless it is one call of a method
// whose answer may be large. The request's body can be read again after it.
func newStream(w http.ResponseWriter, r *http.Request) *stream {
	if r.ContentLength > mostBody {
		return nil // is refused
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, mostBody+1)) // an error comes again when the rest is read
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	for _, method := range streamed {
		if !bytes.Contains(body, method) {
			continue
		}
		var call struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(body, &call) == nil && call.Method == string(method) && len(call.ID) > 0 {
			return &stream{ResponseWriter: w, id: call.ID, writes: http.NewResponseController(w)}
		}
	}
	return nil
}

type streamKey struct{}

// serve answers the request with what next does of it.
func (s *stream) serve(r *http.Request, next http.Handler) {
	ctx := context.WithValue(r.Context(), streamKey{}, s)
	ctx = context.WithValue(ctx, http.ServerContextKey, nil) // has a limit of time, after which it would answer
	next.ServeHTTP(s, r.WithContext(ctx))
	if s.begun && !s.ended {
		panic(http.ErrAbortHandler) // cuts the connection
	}
}

// streamOf is the stream of a call, nil if its answer can't be sent in parts.
func streamOf(ctx context.Context) *stream {
	s, _ := ctx.Value(streamKey{}).(*stream)
	return s
}

// How an answer is sent: a client must take so much in that time.
const (
	sentAtOnce = 64 << 10
	sendTime   = 10 * time.Second
)

// send sends a part of the result.
func (s *stream) send(part []byte) error {
	if !s.begun {
		s.begun = true
		part = append(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":`, s.id), part...)
	}
	for len(part) > 0 {
		_ = s.writes.SetWriteDeadline(time.Now().Add(sendTime)) // some writers have none
		n, err := s.ResponseWriter.Write(part[:min(len(part), sentAtOnce)])
		if err != nil {
			return err
		}
		part = part[n:]
	}
	return nil
}

// end sends the rest, if the stream has begun.
func (s *stream) end(rest []byte) error {
	if s == nil || !s.begun {
		return nil
	}
	err := s.send(append(rest, '}'))
	s.ended = err == nil
	return err
}

// late gives an error as one after which nothing can be tried again, if the
// answer has begun.
func (s *stream) late(err error) error {
	if err == nil || s == nil || !s.begun {
		return err
	}
	return fmt.Errorf("cut off: %s", err)
}

// Write writes the answer of others, unless there is one already.
func (s *stream) Write(data []byte) (int, error) {
	if s.begun {
		return len(data), nil
	}
	return s.ResponseWriter.Write(data)
}

// Unwrap is for [http.ResponseController].
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }
