package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// A stream is the answer to a request with one call, over HTTP, that may be sent
// in parts. Once it has begun, what others write of the answer is dropped, and
// what goes wrong can be told only by cutting the connection.
type stream struct {
	out   io.Writer
	id    json.RawMessage // of the call
	begun bool
	ended bool // as it is to be
}

// streamed are the methods whose answers may be large.
var streamed = [][]byte{[]byte("eth_getLogs"), []byte("eth_getFilterLogs")}

// newStream makes a stream for a request, nil unless it is one call over HTTP of
// a method whose answer may be large.
func (q *request) newStream(body []byte) *stream {
	for _, method := range streamed {
		if q.header == nil || !bytes.Contains(body, method) {
			continue
		}
		var call struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(body, &call) == nil && call.Method == string(method) && len(call.ID) > 0 {
			return &stream{out: q.whole, id: call.ID}
		}
	}
	return nil
}

type streamKey struct{}

// streamOf is the stream of a call, nil if its answer can't be sent in parts.
func streamOf(ctx context.Context) *stream {
	s, _ := ctx.Value(streamKey{}).(*stream)
	return s
}

// send sends a part of the result.
func (s *stream) send(part []byte) error {
	if !s.begun {
		s.begun = true
		part = append(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":`, s.id), part...)
	}
	_, err := s.out.Write(part)
	return err
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
