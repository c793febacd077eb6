// Package jsonrpc answers as an Ethereum node does, from a database file alone:
// JSON-RPC over HTTP, single calls and batches, and over WebSocket, with
// subscriptions (https://ethereum.github.io/execution-apis/).
//
// What the file has is answered as the node did that it was indexed from, field
// for field. What is missing from it is an error that says so, never a short
// answer. What needs the chain's state is not answered from the file at all.
package jsonrpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api/patience"
	"gapless/internal/api/places"
	"gapless/internal/api/problem"
	"gapless/internal/bytebudget"
	"gapless/internal/store"
)

// Limits of requests. Those of batches are geth's.
const (
	mostBody    = 5 << 20 // bytes of a request
	mostBatch   = 1000    // calls in a batch
	mostAnswer  = 25_000_000
	callTime    = 25 * time.Second // of a request over HTTP
	mostSockets = 4096
	leftBehind  = 64 << 20    // bytes that subscriptions and filters take
	lastWrite   = time.Second // for a client to take what is being written, at the end
)

// Options say what is answered from.
type Options struct {
	Reader *store.Reader
	// Client names this program in web3_clientVersion.
	Client string
	// Changed gives a channel that is closed when the file or Head changes next;
	// nil if neither ever does.
	Changed func() <-chan struct{}
	// Head, if set, gives the number of the highest block that is shown.
	Head func() uint64
	// Mine, if set, is evm_mine: it lets the head grow by a block.
	Mine func() error
	// Behind, if set, gives the head of the chain that the file follows, if it
	// is known.
	Behind func() (head uint64, ok bool)
	// Node, if set, answers what needs the chain's state.
	Node Node
	// MaxLogs is how many logs an answer may have; 0 for no limit.
	MaxLogs int
	// Budget, if set, is what all answers under way may hold; else there is a usual
	// one.
	Budget *bytebudget.Budget
	// Metrics, if set, is where the handler registers what it counts.
	Metrics prometheus.Registerer
}

// A Handler serves JSON-RPC at one path: POST, and GET to open a WebSocket.
type Handler struct {
	server  *rpc.Server
	budget  *bytebudget.Budget
	behind  *bytebudget.Budget // what subscriptions and filters take, and what waits for them
	filters *filterMethods
	feed    *feed
	heads   *subscriptionMethods
	seconds prometheus.Histogram

	ending  context.Context    // is done when the handler is closed
	end     context.CancelFunc // ends what runs beside the calls, and answers in parts
	running sync.WaitGroup

	mu     sync.Mutex         // guards what follows
	open   map[string]*socket // by address
	closed bool
}

// New makes a handler. It must be closed.
func New(o Options) *Handler {
	ctx, end := context.WithCancel(context.Background()) // until Close
	f := &file{reader: o.Reader, head: o.Head, blocks: make(places.Places, spare())}
	h := &Handler{
		server: rpc.NewServer(), budget: o.Budget, behind: bytebudget.New(leftBehind), feed: newFeed(f, o.Changed),
		ending: ctx, end: end, open: make(map[string]*socket),
	}
	if h.budget == nil {
		h.budget = bytebudget.New(bytebudget.Usual)
	}
	logs := &logMethods{file: f, max: o.MaxLogs, queries: make(places.Places, min(mostQueries, spare()))}
	h.filters = &filterMethods{feed: h.feed, logs: logs, behind: h.behind, filters: make(map[rpc.ID]*filter)}
	h.heads = &subscriptionMethods{feed: h.feed, client: h.client, turns: make(places.Places, max(1, runtime.GOMAXPROCS(0)/2)), ctx: ctx}
	h.server.SetBatchLimits(mostBatch, mostAnswer)
	h.server.SetHTTPBodyLimit(mostBody)
	h.register(o, f, logs)
	h.seconds = newMetrics(o.Metrics, h)
	if o.Changed != nil {
		h.running.Go(func() { h.feed.run(ctx) })
	}
	return h
}

// spare is how many processors may be busy with what takes long: all but one, which
// is for those who ask for little, and for the head.
func spare() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// register makes the methods known. There are no others.
func (h *Handler) register(o Options, f *file, logs *logMethods) {
	type service struct {
		namespace string
		methods   any
	}
	services := []service{
		{"eth", &chainMethods{f, o.Behind}},
		{"eth", &blockMethods{f}},
		{"eth", &transactionMethods{f}},
		{"eth", logs},
		{"eth", h.filters},
		{"eth", h.heads},
		{"eth", &feeMethods{file: f}},
		{"eth", &stateMethods{o.Node}},
		{"eth", sendMethods{}},
		{"debug", &debugMethods{f}},
		{"debug", &traceMethods{o.Node}},
		{"net", &netMethods{f}},
		{"web3", &web3Methods{f, o.Client}},
		{"txpool", poolMethods{}},
		{"gapless", &gaplessMethods{f}},
	}
	if o.Mine != nil {
		services = append(services, service{"evm", &mineMethods{o.Mine}})
	}
	for _, s := range services {
		if err := h.server.RegisterName(s.namespace, s.methods); err != nil {
			panic(err) // a type without methods
		}
	}
}

// Budget is what all answers under way may hold, those of others than calls too.
func (h *Handler) Budget() *bytebudget.Budget { return h.budget }

// IsSocket reports whether a request asks for a WebSocket.
func IsSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// ServeHTTP answers a POST, or opens a WebSocket.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !IsSocket(r) {
		defer h.observe(time.Now())
		h.answer(w, r)
		return
	}
	if !h.enter() {
		problem.Write(w, http.StatusServiceUnavailable, "no WebSocket can be opened now: the server is ending, or %d are open", mostSockets)
		return
	}
	defer h.running.Done()
	c, err := websocket.Accept(&hijacker{w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // who may is for the server around us
	if err != nil {
		return // it has been said
	}
	s, ctx := h.newSocket(r, c)
	defer s.cancel()
	if h.opened(s) {
		s.serve(ctx)
		h.forget(s)
	}
}

// answer answers a POST.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > mostBody || !isJSON(r) {
		h.server.ServeHTTP(w, r) // refuses it
		return
	}
	to := patience.New(w, http.NewResponseController(w).SetWriteDeadline)
	q := &request{
		handler: h, hold: h.budget.Account().Hold(), asked: r.Header, header: w.Header(), status: w.WriteHeader,
		whole: to, parts: func() io.WriteCloser { return &buffered{bufio.NewWriterSize(to, patience.Piece)} },
	}
	defer q.hold.Release()
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	body, err := q.read(ctx, r.Body)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "1")
		problem.Write(w, http.StatusServiceUnavailable, "too many answers are under way already")
	case err != nil:
		problem.Write(w, http.StatusBadRequest, "the request can't be read: %s", err)
	case q.answer(r.Context(), body) != nil:
		panic(http.ErrAbortHandler) // cuts the connection
	}
}

// isJSON reports whether a request is said to be JSON, as the rpc package wants
// it.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.Contains([]string{"application/json", "application/json-rpc", "application/jsonrequest"}, kind)
}

// A buffered writer passes on what is left when it is closed.
type buffered struct{ *bufio.Writer }

// Close passes on the rest.
func (b *buffered) Close() error { return b.Flush() }

// enter reports whether there may be one more WebSocket, which is then waited
// for at the end.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.open) >= mostSockets {
		return false
	}
	h.running.Add(1)
	return true
}

// A hijacker gives a connection that is written to with patience.
type hijacker struct{ http.ResponseWriter }

// Hijack is for the WebSocket library.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffer, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	p := patience.NewConn(c)
	return p, bufio.NewReadWriter(buffer.Reader, bufio.NewWriter(p)), nil
}

// opened notes a connection, unless the handler is closed.
func (h *Handler) opened(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = s.conn.CloseNow() // nothing was said on it
		return false
	}
	h.open[s.remote] = s
	return true
}

// forget drops a connection that has ended.
func (h *Handler) forget(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, s.remote)
}

// client is the connection with a client, nil if it has ended.
func (h *Handler) client(remote string) *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[remote]
}

// Close ends subscriptions and connections, and waits for what runs. It is
// called once.
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	var ending sync.WaitGroup
	for _, s := range h.open {
		ending.Go(s.end)
	}
	h.mu.Unlock()
	h.end()
	ending.Wait()
	h.server.Stop()
	h.filters.close()
	h.heads.running.Wait()
	h.running.Wait()
}
