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
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api/problem"
	"gapless/internal/store"
)

// Limits of requests. Those of batches are geth's.
const (
	mostBody    = 5 << 20 // bytes of a request
	mostBatch   = 1000    // calls in a batch
	mostAnswer  = 25_000_000
	callTime    = 25 * time.Second // of a request over HTTP
	mostSockets = 4096
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
	// Metrics, if set, is where the handler registers what it counts.
	Metrics prometheus.Registerer
}

// A Handler serves JSON-RPC at one path: POST, and GET to open a WebSocket.
type Handler struct {
	server  *rpc.Server
	sockets http.Handler
	filters *filterMethods
	feed    *feed
	heads   *subscriptionMethods
	seconds prometheus.Histogram

	ending  context.Context    // is done when the handler is closed
	end     context.CancelFunc // ends what runs beside the calls, and answers in parts
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[string]net.Conn
	closed bool
}

// New makes a handler. It must be closed.
func New(o Options) *Handler {
	ctx, end := context.WithCancel(context.Background()) // until Close
	f := &file{reader: o.Reader, head: o.Head}
	h := &Handler{server: rpc.NewServer(), feed: newFeed(f, o.Changed), ending: ctx, end: end, open: make(map[string]net.Conn)}
	logs := &logMethods{file: f, max: o.MaxLogs, queries: make(chan struct{}, mostQueries)}
	h.filters = &filterMethods{feed: h.feed, logs: logs, filters: make(map[rpc.ID]*filter)}
	h.heads = &subscriptionMethods{feed: h.feed, hang: h.hang, ctx: ctx}
	h.server.SetBatchLimits(mostBatch, mostAnswer)
	h.server.SetHTTPBodyLimit(mostBody)
	h.server.SetWebsocketReadLimit(mostBody)
	h.register(o, f, logs)
	h.seconds = newMetrics(o.Metrics, h)
	h.sockets = h.server.WebsocketHandler([]string{"*"}) // who may is for the server around us
	if o.Changed != nil {
		h.running.Go(func() { h.feed.run(ctx) })
	}
	return h
}

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

// IsSocket reports whether a request asks for a WebSocket.
func IsSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// ServeHTTP answers a POST, or opens a WebSocket.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !IsSocket(r) {
		h.answer(w, r)
		return
	}
	if !h.enter() {
		problem.Write(w, http.StatusServiceUnavailable, "no WebSocket can be opened now: the server is ending, or %d are open", mostSockets)
		return
	}
	defer h.running.Done()
	var remote string
	defer func() { h.forget(remote) }()
	h.sockets.ServeHTTP(&hijacker{w, func(c net.Conn) {
		remote = c.RemoteAddr().String()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open[remote] = c
	}}, r)
}

// answer answers a POST.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) {
	defer h.observe(time.Now())
	if s := newStream(w, r); s != nil {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(h.ending, cancel)()
		s.serve(r.WithContext(ctx), h.server)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTime)
	defer cancel()
	h.server.ServeHTTP(w, r.WithContext(ctx))
}

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

// A hijacker tells of the connection that is taken over.
type hijacker struct {
	http.ResponseWriter
	taken func(net.Conn)
}

// Hijack is for the WebSocket library.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffer, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil {
		h.taken(c)
	}
	return c, buffer, err
}

// forget drops a connection that has ended.
func (h *Handler) forget(remote string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, remote)
}

// hang closes the connection of a client that has missed something.
func (h *Handler) hang(remote string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.open[remote]; c != nil {
		_ = c.Close() // it reads an error, as if we had ended
	}
}

// Close ends subscriptions and connections, and waits for what runs. It is
// called once.
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	for _, c := range h.open {
		_ = c.SetWriteDeadline(time.Now().Add(lastWrite)) // to a client that does not read
	}
	h.mu.Unlock()
	h.end()
	h.server.Stop()
	h.filters.close()
	h.heads.running.Wait()
	h.running.Wait()
}
