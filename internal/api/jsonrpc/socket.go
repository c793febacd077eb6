package jsonrpc

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/api/patience"
	"gapless/internal/api/places"
	"gapless/internal/bytebudget"
)

// Limits of a WebSocket.
const (
	mostMessages = 32 // of a client that are answered at once; later ones wait
	pingEvery    = 30 * time.Second
)

// A socket is the WebSocket of one client. Calls are answered as over HTTP.
// Subscriptions are of the rpc package, for which the socket is a connection: it
// reads what subscribes and writes news.
type socket struct {
	handler *Handler
	conn    *websocket.Conn
	remote  string
	account *bytebudget.Account
	behind  *bytebudget.Account // of its subscriptions
	cancel  func()              // ends what is answered, and reading
	asked   http.Header         // of the requests that are made of messages

	out     sync.Mutex // held while a message is written
	running sync.WaitGroup
	places  places.Places

	subscribing *io.PipeReader // what the rpc package reads
	subscribes  *io.PipeWriter
}

// newSocket makes a socket of a connection, and the context of what is answered
// on it.
func (h *Handler) newSocket(r *http.Request, c *websocket.Conn) (*socket, context.Context) {
	c.SetReadLimit(mostBody)
	s := &socket{
		handler: h, conn: c, remote: r.RemoteAddr, account: h.budget.Account(), behind: h.behind.Account(),
		asked: http.Header{"Content-Type": {"application/json"}}, places: make(places.Places, mostMessages),
	}
	s.subscribing, s.subscribes = io.Pipe()
	ctx, cancel := context.WithCancel(r.Context())
	s.cancel = cancel
	return s, ctx
}

// serve answers until the client, or the server, ends it.
func (s *socket) serve(ctx context.Context) {
	s.running.Go(func() { s.handler.server.ServeCodec(rpc.NewCodec(s), 0) })
	s.running.Go(func() { s.ping(ctx) })
	for s.next(ctx) == nil {
	}
	_ = s.Close() // for the rpc package
	s.running.Wait()
}

// next reads a message, and has it answered.
func (s *socket) next(ctx context.Context) error {
	if err := s.places.Enter(ctx); err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			s.places.Leave()
		}
	}()
	_, message, err := s.conn.Reader(ctx)
	if err != nil {
		return err
	}
	q := &request{handler: s.handler, hold: s.account.Hold(), asked: s.asked, whole: s, parts: func() io.WriteCloser { return &outgoing{socket: s} }}
	late := time.AfterFunc(patience.Time, func() { _ = s.conn.CloseNow() }) // who begins a message ends it
	body, err := q.read(ctx, message)
	late.Stop()
	if err != nil {
		q.hold.Release()
		return err
	}
	if subscribes(body) {
		defer q.hold.Release()
		_, err := s.subscribes.Write(body)
		return err
	}
	kept = true
	s.running.Go(func() {
		defer s.places.Leave()
		defer q.hold.Release()
		if q.answer(ctx, body) != nil {
			_ = s.Close() // it reads no further
		}
	})
	return nil
}

// subscribes reports whether a message does nothing but subscribe, or end
// subscriptions.
func subscribes(body []byte) bool {
	calls := batchOf(body)
	if calls == nil {
		calls = []json.RawMessage{body}
	}
	for _, raw := range calls {
		var call struct {
			Method string `json:"method"`
		}
		if json.Unmarshal(raw, &call) != nil || !strings.HasSuffix(call.Method, "subscribe") {
			return false
		}
	}
	return len(calls) <= mostBatch
}

// ping ends a connection whose client is gone.
func (s *socket) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.out.TryLock() {
			continue // writing shows it as well
		}
		s.out.Unlock()
		within, cancel := context.WithTimeout(ctx, patience.Time)
		err := s.conn.Ping(within)
		cancel()
		if err != nil && ctx.Err() == nil && len(s.places) < mostMessages { // else nobody reads what it says
			_ = s.Close() // it is gone
		}
	}
}

// Write sends a message.
func (s *socket) Write(data []byte) (int, error) {
	s.out.Lock()
	defer s.out.Unlock()
	return len(data), s.conn.Write(context.Background(), websocket.MessageText, data) // ends as the connection does
}

// drop hangs up on a client that has missed something, and says so: it is to
// come again later.
func (s *socket) drop() {
	s.out.Lock() // what is being written ends first
	defer s.out.Unlock()
	_ = s.conn.Close(websocket.StatusTryAgainLater, "too slow: news were dropped") // it is gone otherwise
	s.cancel()
}

// end hangs up when the server ends.
func (s *socket) end() {
	late := time.AfterFunc(lastWrite, func() { _ = s.conn.CloseNow() })
	defer late.Stop()
	_ = s.conn.Close(websocket.StatusGoingAway, "the server ends") // it is gone otherwise
	_ = s.Close()
}

// Read gives the rpc package what subscribes.
func (s *socket) Read(p []byte) (int, error) { return s.subscribing.Read(p) }

// Close ends the connection and all that is answered on it. The rpc package calls
// it as well.
func (s *socket) Close() error {
	s.cancel()
	_ = s.subscribes.Close() // never fails
	_ = s.subscribing.Close()
	return s.conn.CloseNow()
}

// SetWriteDeadline is for the rpc package. The connection has deadlines of its own.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr is for the rpc package.
func (s *socket) RemoteAddr() string { return s.remote }

// An outgoing message is sent in frames as it is made, unless it is small.
type outgoing struct {
	socket *socket
	small  []byte
	frames io.WriteCloser // nil: it is small so far
}

func (m *outgoing) Write(data []byte) (int, error) {
	if m.frames == nil && len(m.small)+len(data) <= patience.Piece {
		m.small = append(m.small, data...)
		return len(data), nil
	}
	if m.frames == nil {
		m.socket.out.Lock() // until the message is whole
		var err error
		if m.frames, err = m.socket.conn.Writer(context.Background(), websocket.MessageText); err == nil {
			_, err = m.frames.Write(m.small)
		}
		m.small = nil
		if err != nil {
			return 0, err
		}
	}
	return m.frames.Write(data)
}

// Close ends the message.
func (m *outgoing) Close() error {
	if m.frames == nil {
		if len(m.small) == 0 {
			return nil
		}
		_, err := m.socket.Write(m.small)
		return err
	}
	defer m.socket.out.Unlock()
	return m.frames.Close()
}
