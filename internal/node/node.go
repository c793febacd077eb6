// Package node is the JSON-RPC client of one or several Ethereum nodes, over
// HTTP and WebSocket. It gives decoded blocks and headers; its errors are
// sorted into the classes of package chain and hold no secret of a URL or
// header: an endpoint is called host#1.
package node

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"gapless/internal/bytebudget"
)

// Options say where the nodes are and how to ask them.
type Options struct {
	URLs       []string          // http, https, ws, wss or ipc, or the path of a Unix socket; the first is preferred
	Header     http.Header       // sent with every request; secret
	Rate       float64           // calls a second over all endpoints; 0: 50 of each off loopback, no limit on it; below 0: no limit
	DailyCalls int               // over all endpoints from 00:00 to 00:00 UTC; calls wait so that they last; 0: no limit
	Timeout    time.Duration     // of a request of one call, up to three times that for a batch; 0: 10 s
	Transport  http.RoundTripper // nil: one of its own
	Logger     *slog.Logger      // nil: none
	Metrics    prometheus.Registerer
}

// A Node is one chain as one or several endpoints tell of it. It is safe for
// concurrent use.
type Node struct {
	secrets   *redactor
	logger    *slog.Logger
	metrics   *metrics
	transport *http.Transport // nil if it was given
	memory    memory          // of blocks, with several endpoints
	watching  atomic.Int32    // Follows that watch all endpoints
	budget    *budget         // nil: calls are not counted by the day

	make func(*url.URL) *endpoint
	list atomic.Pointer[[]*endpoint]

	mu       sync.Mutex    // guards what follows; may be held while an endpoint's is taken
	lead     *endpoint     // as last elected; nil: never
	moved    chan struct{} // closed when another one is
	replaced chan struct{} // closed when there are other endpoints
	expected expectation
}

// endpoints gives those that are asked, in the order of their URLs.
func (n *Node) endpoints() []*endpoint { return *n.list.Load() }

// New makes a Node. It checks the URLs, and asks nothing yet.
func New(o Options) (*Node, error) {
	if len(o.URLs) == 0 {
		return nil, errors.New("node: no URL")
	}
	urls, err := parseURLs(o.URLs)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Header == nil {
		o.Header = http.Header{}
	}
	n := &Node{secrets: newRedactor(urls, o.Header), logger: o.Logger, metrics: m,
		moved: make(chan struct{}), replaced: make(chan struct{})}
	n.budget = newBudget(o.DailyCalls, o.Logger)
	if err := m.count(o.Metrics, n.budget); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	n.open(o, urls, m)
	return n, nil
}

func parseURLs(texts []string) ([]*url.URL, error) {
	urls := make([]*url.URL, len(texts))
	for i, s := range texts {
		u, err := parseURL(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("node: endpoint #%d: %w", i+1, err)
		}
		urls[i] = u
	}
	return urls, nil
}

// open makes the endpoints.
func (n *Node) open(o Options, urls []*url.URL, m *metrics) {
	transport := o.Transport
	if transport == nil {
		n.transport = newTransport(allLoopback(urls))
		transport = n.transport
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the header is not for others
	}}
	answers := bytebudget.New(allAnswers)
	var shared *limiter
	if o.Rate > 0 {
		shared = newLimiter(rate.Limit(o.Rate))
	}
	made := 0
	n.make = func(u *url.URL) *endpoint {
		made++
		e := &endpoint{
			label: fmt.Sprintf("%s#%d", shownHost(u), made), url: u, loopback: isLocal(u),
			header: o.Header, client: client, timeout: o.Timeout, secrets: n.secrets, limit: shared,
			budget: n.budget, answers: answers, metrics: m, logger: o.Logger, identifying: make(chan struct{}, 1),
		}
		if shared == nil {
			e.limit = newLimiter(mostCalls(o.Rate, e.loopback))
		}
		e.elsewhere = func() bool { return n.elsewhere(e) }
		if strings.HasPrefix(u.Scheme, "ws") {
			e.sockets = &idle[*websocket.Conn]{}
		}
		if u.Scheme == schemeIPC {
			e.pipes = &idle[*pipe]{}
		}
		e.batch, e.given = newBatch(e.loopback), math.MaxUint64
		e.mostBatch = e.batch
		m.know(e.label)
		return e
	}
	var all []*endpoint
	for _, u := range urls {
		all = append(all, n.make(u))
	}
	n.list.Store(&all)
}

// mostCalls is an endpoint's own limit, in calls a second.
func mostCalls(perSecond float64, loopback bool) rate.Limit {
	if loopback || perSecond < 0 {
		return rate.Inf
	}
	return defaultRate
}

func newTransport(loopback bool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.DisableCompression = loopback
	return t
}

func allLoopback(urls []*url.URL) bool {
	for _, u := range urls {
		if !isLocal(u) {
			return false
		}
	}
	return true
}

// Close closes idle connections. What is under way ends with its context.
func (n *Node) Close() error {
	if n.transport != nil {
		n.transport.CloseIdleConnections()
	}
	for _, e := range n.endpoints() {
		e.hangUp()
	}
	return nil
}

// hangUp closes idle connections that the transport does not know of.
func (e *endpoint) hangUp() {
	if e.sockets != nil {
		e.sockets.close()
	}
	if e.pipes != nil {
		e.pipes.close()
	}
}

// State tells of the endpoints, in the order of their URLs.
func (n *Node) State() []EndpointState {
	lead, _ := n.leader()
	endpoints := n.endpoints()
	states := make([]EndpointState, len(endpoints))
	for i, e := range endpoints {
		states[i] = e.snapshot()
		states[i].Leads = e == lead
	}
	return states
}

func (n *Node) loopback() bool {
	for _, e := range n.endpoints() {
		if !e.loopback {
			return false
		}
	}
	return true
}
