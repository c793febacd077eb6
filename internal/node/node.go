// Package node is the JSON-RPC client of one or several Ethereum nodes, over
// HTTP and WebSocket. It gives decoded blocks and headers; its errors are
// sorted into the classes of package chain and hold no secret of a URL or
// header: an endpoint is called host#1.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"gapless/internal/chain"
)

// Options say where the nodes are and how to ask them.
type Options struct {
	URLs      []string          // http, https, ws or wss; the first is preferred
	Header    http.Header       // sent with every request; secret
	Rate      float64           // calls a second over all endpoints; 0: 50 off loopback, no limit on it; below 0: no limit
	Timeout   time.Duration     // of a request of one call, up to three times that for a batch; 0: 10 s
	Transport http.RoundTripper // nil: one of its own
	Logger    *slog.Logger      // nil: none
	Metrics   prometheus.Registerer
}

// A Node is one chain as one or several endpoints tell of it. It is safe for
// concurrent use.
type Node struct {
	endpoints []*endpoint
	secrets   *redactor
	logger    *slog.Logger
	transport *http.Transport // nil if it was given
}

// New makes a Node. It checks the URLs, and asks nothing yet.
func New(o Options) (*Node, error) {
	if len(o.URLs) == 0 {
		return nil, errors.New("node: no URL")
	}
	urls := make([]*url.URL, len(o.URLs))
	for i, s := range o.URLs {
		u, err := parseURL(strings.TrimSpace(s))
		if err != nil {
			return nil, fmt.Errorf("node: endpoint #%d: %w", i+1, err)
		}
		urls[i] = u
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
	n := &Node{secrets: newRedactor(urls, o.Header), logger: o.Logger}
	n.open(o, urls, m)
	return n, nil
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
	near, far := newLimiters(o.Rate)
	for i, u := range urls {
		e := &endpoint{
			label: fmt.Sprintf("%s#%d", shownHost(u), i+1), url: u, loopback: isLoopback(u.Hostname()),
			header: o.Header, client: client, timeout: o.Timeout, secrets: n.secrets, limit: far,
			metrics: m, logger: o.Logger,
		}
		if e.loopback {
			e.limit = near
		}
		if strings.HasPrefix(u.Scheme, "ws") {
			e.sockets = &sockets{}
		}
		e.batch = newBatch(e.loopback)
		e.mostBatch = e.batch
		n.endpoints = append(n.endpoints, e)
	}
}

// newLimiters makes the limiters of the endpoints on loopback and off it, which
// are the same one where a rate is given.
func newLimiters(perSecond float64) (near, far *limiter) {
	switch {
	case perSecond > 0:
		l := newLimiter(rate.Limit(perSecond))
		return l, l
	case perSecond < 0:
		return newLimiter(rate.Inf), newLimiter(rate.Inf)
	}
	return newLimiter(rate.Inf), newLimiter(defaultRate)
}

func newTransport(loopback bool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.DisableCompression = loopback
	return t
}

func allLoopback(urls []*url.URL) bool {
	for _, u := range urls {
		if !isLoopback(u.Hostname()) {
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
	for _, e := range n.endpoints {
		if e.sockets != nil {
			e.sockets.close()
		}
	}
	return nil
}

// State tells of the endpoints, in the order of their URLs.
func (n *Node) State() []EndpointState {
	states := make([]EndpointState, len(n.endpoints))
	for i, e := range n.endpoints {
		states[i] = e.snapshot()
	}
	return states
}

// use runs f with the first endpoint that is up, and with the next one where an
// endpoint is to blame for the error.
func (n *Node) use(ctx context.Context, f func(*endpoint) error) error {
	tried := make(map[*endpoint]bool)
	for {
		e := n.pick(tried)
		tried[e] = true
		err := f(e)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case !isDown(err) || len(tried) == len(n.endpoints):
			return err
		}
	}
}

// pick gives the endpoint to ask next, of those that were not tried.
func (n *Node) pick(tried map[*endpoint]bool) *endpoint {
	var first *endpoint
	for _, e := range n.endpoints {
		if tried[e] {
			continue
		}
		if e.usable() {
			return e
		}
		if first == nil {
			first = e
		}
	}
	return first
}

func isDown(err error) bool {
	class := chain.ClassOf(err)
	return class == chain.EndpointDown || class == chain.EndpointRefuses
}

// Await returns once an endpoint answers. It asks at once, and then with waits
// that grow from 250 ms to 30 s, or to 1 s if all endpoints are on loopback.
func (n *Node) Await(ctx context.Context) error {
	const shortest = 250 * time.Millisecond
	longest := 30 * time.Second
	if n.loopback() {
		longest = time.Second
	}
	for wait := shortest; ; wait = min(2*wait, longest) {
		for _, e := range n.endpoints {
			err := e.probe(ctx)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e.failed(err)
		}
		if err := sleep(ctx, jitter(wait)); err != nil {
			return err
		}
	}
}

func (n *Node) loopback() bool {
	for _, e := range n.endpoints {
		if !e.loopback {
			return false
		}
	}
	return true
}
