package node

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/coder/websocket"

	"gapless/internal/chain"
)

// idle are idle connections to one endpoint. A request has a connection for itself,
// so that its answer is the next message.
type idle[C interface{ CloseNow() error }] struct {
	mu     sync.Mutex // guards all
	idle   []C
	closed bool
}

// take gives a connection; the zero value if there is none.
func (s *idle[C]) take() (c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return c
	}
	last := len(s.idle) - 1
	c = s.idle[last]
	s.idle = s.idle[:last]
	return c
}

func (s *idle[C]) give(c C) {
	const most = 32
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) >= most {
		_ = c.CloseNow() // nothing is under way on it
		return
	}
	s.idle = append(s.idle, c)
}

func (s *idle[C]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		_ = c.CloseNow()
	}
	s.idle, s.closed = nil, true
}

// sendSocket sends a body over a WebSocket and reads the answer. A connection
// that was idle may have ended since: then a new one is tried.
func (e *endpoint) sendSocket(ctx context.Context, body []byte, most bound, m *meter) ([]byte, error) {
	if c := e.sockets.take(); c != nil {
		answer, err := e.converse(ctx, c, body, most, m)
		if err == nil || ctx.Err() != nil || chain.ClassOf(err) == chain.TooLarge {
			return answer, err
		}
	}
	c, err := e.dial(ctx, e.url)
	if err != nil {
		return nil, err
	}
	return e.converse(ctx, c, body, most, m)
}

// converse sends a message and reads the next one. It keeps the connection for
// later, or closes it after an error.
func (e *endpoint) converse(ctx context.Context, c *websocket.Conn, body []byte, most bound, m *meter) ([]byte, error) {
	c.SetReadLimit(most.bytes)
	err := c.Write(ctx, websocket.MessageText, body)
	var answer []byte
	if err == nil {
		answer, err = readMessageFrom(ctx, c, most, m)
	}
	if err == nil {
		e.sockets.give(c)
		return answer, nil
	}
	_ = c.CloseNow() // it has failed already
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return nil, most.exceeded
	}
	return nil, err
}

// readMessageFrom reads a message whole.
func readMessageFrom(ctx context.Context, c *websocket.Conn, most bound, m *meter) ([]byte, error) {
	_, r, err := c.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return most.read(ctx, io.TeeReader(r, m))
}

// dial opens a WebSocket.
func (e *endpoint) dial(ctx context.Context, u *url.URL) (*websocket.Conn, error) {
	c, response, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: e.client, HTTPHeader: e.header.Clone()})
	if err == nil {
		return c, nil
	}
	if response == nil || response.StatusCode == http.StatusSwitchingProtocols {
		return nil, err
	}
	class, sorted := statusClass(response.StatusCode)
	if !sorted {
		class = chain.EndpointDown
	}
	return nil, errorf(class, "no WebSocket: %w", statusError(response.StatusCode))
}
