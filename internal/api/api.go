// Package api is what others read of the index over HTTP, and the few things
// that they may change. Each kind of interface has a folder of its own.
package api

import (
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gapless/internal/api/events"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/rest"
	"gapless/internal/bytebudget"
)

// Limits of the server. Who sends an answer sets write deadlines of his own.
const (
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeaderSize = 16 << 10
)

// Routes are what a server answers, and under which path.
type Routes struct {
	BasePath string         // as [ParseBasePath] gives it
	Proxies  []netip.Prefix // whose X-Forwarded-Prefix is believed

	REST    *rest.Handler
	Calls   *jsonrpc.Handler // whose budget all have
	Pages   *pages.Handler
	Metrics prometheus.Gatherer
}

// NewServer makes a server of all routes. listen is where it listens, as
// --listen has it; names are by what else it is reached.
func NewServer(r Routes, listen string, names ...string) *http.Server {
	b := r.budget()
	stream := events.New(r.REST.Store, b)
	server := newServer(&front{r.BasePath, r.Proxies, newGuard(r.mux(stream), r.Pages, b, listen, names)})
	server.RegisterOnShutdown(stream.Close) // it would not end by itself
	return server
}

// NewCallServer makes a server of JSON-RPC alone; listen and names are those of
// [NewServer].
func NewCallServer(calls *jsonrpc.Handler, listen string, names ...string) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", calls)
	mux.Handle("GET /{$}", sockets(calls, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "gapless answers JSON-RPC here: POST, or a WebSocket\n") // the client's loss
	}))
	return newServer(newGuard(mux, nil, calls.Budget(), listen, names))
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

func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderSize,
	}
}

// budget is what all answers under way may hold.
func (r *Routes) budget() *bytebudget.Budget {
	if r.Calls == nil {
		return bytebudget.New(bytebudget.Usual)
	}
	return r.Calls.Budget()
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
