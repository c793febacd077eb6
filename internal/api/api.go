// Package api is what others read of the index over HTTP, and the few things
// that they may change. Each kind of interface has a folder of its own.
package api

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gapless/internal/api/events"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
)

// Limits of the server. Streams set a write deadline of their own.
const (
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeaderSize = 16 << 10
)

// Routes are what a server answers.
type Routes struct {
	REST    *rest.Handler
	Calls   *jsonrpc.Handler
	Pages   *pages.Handler
	Metrics prometheus.Gatherer
}

// NewServer makes a server of all routes. host is the name by which it is to be
// reached, as --listen has it.
func NewServer(r Routes, host string) *http.Server {
	stream := events.New(r.REST.Store)
	server := newServer(&guard{mux: r.mux(stream), pages: r.Pages, host: hostname(host)})
	server.RegisterOnShutdown(stream.Close) // it would not end by itself
	return server
}

// NewCallServer makes a server of JSON-RPC alone.
func NewCallServer(calls *jsonrpc.Handler, host string) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", calls)
	mux.Handle("GET /{$}", sockets(calls, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "gapless answers JSON-RPC here: POST, or a WebSocket\n") // the client's loss
	}))
	return newServer(&guard{mux: mux, host: hostname(host)})
}

// sockets lets those who want a WebSocket have one, and others a page.
func sockets(calls *jsonrpc.Handler, page http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if jsonrpc.IsSocket(r) {
			calls.ServeHTTP(w, r)
			return
		}
		page(w, r)
	})
}

func newServer(g *guard) *http.Server {
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderSize,
	}
}

func (r *Routes) mux(stream *events.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	r.REST.Register(mux)
	r.Pages.Register(mux)
	mux.Handle("GET /api/v1/events", stream)
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.Metrics, promhttp.HandlerOpts{}))
	mux.Handle("POST /{$}", r.Calls)
	mux.Handle("GET /{$}", sockets(r.Calls, r.Pages.Home))
	return mux
}

// A guard lets through what may come from where it comes from.
type guard struct {
	mux   *http.ServeMux
	pages *pages.Handler // nil without pages
	host  string         // our own name
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case r.Method == http.MethodOptions:
		g.preflight(w, r)
		return
	case reads && !jsonrpc.IsSocket(r):
		allow(w, r)
	case !g.ours(r.Host):
		// A page elsewhere whose name was made to point to this machine
		// (DNS rebinding) would be of the same origin for the browser.
		problem.Write(w, http.StatusMisdirectedRequest, "this server does not go by the name of %q", hostname(r.Host))
		return
	case r.URL.Path == "/":
		if !allow(w, r) && r.Header.Get("Origin") != "" {
			problem.Write(w, http.StatusForbidden, "only pages of this machine may call")
			return
		}
	}
	if _, pattern := g.mux.Handler(r); pattern == "" {
		g.nowhere(w, r)
		return
	}
	g.mux.ServeHTTP(w, r)
}

// ours reports whether a Host header is one by which this server is reached:
// an address, localhost, or the name that it was told to listen on.
func (g *guard) ours(host string) bool {
	name := hostname(host)
	return net.ParseIP(name) != nil || name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		(g.host != "" && strings.EqualFold(name, g.host))
}

// hostname is the name of host or host:port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// allow lets pages of this machine read the answer.
func allow(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Add("Vary", "Origin")
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" || !loopback(origin.Hostname()) {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	return true
}

func loopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || (ip != nil && ip.IsLoopback())
}

// preflight answers a browser that asks what it may send.
func (g *guard) preflight(w http.ResponseWriter, r *http.Request) {
	if allow(w, r) {
		methods := "GET, HEAD"
		if r.URL.Path == "/" {
			methods += ", POST"
		}
		w.Header().Set("Access-Control-Allow-Methods", methods)
		w.Header().Set("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// nowhere answers what no route is for.
func (g *guard) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := *r
		other.Method = method
		if _, pattern := g.mux.Handler(&other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 && g.pages != nil && strings.Contains(r.Header.Get("Accept"), "text/html") {
		g.pages.Nowhere(w, r)
		return
	}
	if len(allowed) == 0 {
		problem.Write(w, http.StatusNotFound, "there is nothing at %s; / has the list", r.URL.Path)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem.Write(w, http.StatusMethodNotAllowed, "%s takes %s", r.URL.Path, strings.Join(allowed, " or "))
}
