package api

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/problem"
	"gapless/internal/bytebudget"
)

// A guard lets through what may come from where it comes from. It trusts
// nothing that a client can say of itself: neither the address that a request
// comes from, which is a proxy's, nor what X-Forwarded-For and the like say.
type guard struct {
	mux   *http.ServeMux
	pages *pages.Handler // nil without pages
	names []string       // our own, beside addresses and localhost
	local bool           // only this machine reaches the server
	cross *http.CrossOriginProtection
	room  *room
}

func newGuard(mux *http.ServeMux, shown *pages.Handler, b *bytebudget.Budget, listen string, names []string) *guard {
	return &guard{
		mux: mux, pages: shown, names: append([]string{hostname(listen)}, names...), local: Local(listen),
		cross: http.NewCrossOriginProtection(), room: newRoom(b),
	}
}

// Local reports whether only this machine reaches a server that listens at an
// address, as --listen has it.
func Local(listen string) bool { return loopback(hostname(listen)) }

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !g.ours(r) {
		problem.Write(w, http.StatusMisdirectedRequest,
			"this server does not go by the name of %.100q; if that is its name, start gapless with --host", hostname(r.Host))
		return
	}
	w.Header().Add("Vary", "Origin")
	near := nearby(r)
	if near && (reads(r) || r.Method == http.MethodOptions || r.URL.Path == "/") {
		allow(w, r)
	}
	if r.Method == http.MethodOptions {
		g.preflight(w, r, near)
		return
	}
	if !g.same(r) && (r.URL.Path != "/" || !near) {
		g.forbid(w, r)
		return
	}
	if _, pattern := g.mux.Handler(r); pattern == "" {
		g.nowhere(w, r)
		return
	}
	if unbounded(r) {
		g.mux.ServeHTTP(w, r)
	} else {
		g.room.serve(w, r, g.mux)
	}
}

// ours reports whether a request is to a name by which this server is reached:
// an address, localhost, where it was told to listen, or a name it was told. A
// page elsewhere whose name was made to point to this machine (DNS rebinding)
// would be of the same origin for the browser. Where others may reach the server
// they may read, and make calls, which change nothing that is stored, by any
// name: a container is reached by that of its service.
func (g *guard) ours(r *http.Request) bool {
	name := hostname(r.Host)
	return net.ParseIP(name) != nil || loopback(name) || !g.local && (reads(r) || r.URL.Path == "/") ||
		name != "" && slices.ContainsFunc(g.names, func(own string) bool { return strings.EqualFold(own, name) })
}

// same reports whether a request that may change something, or that opens a
// WebSocket, comes from no page of another site.
func (g *guard) same(r *http.Request) bool {
	if reads(r) {
		return true
	}
	asked := *r
	asked.Method = http.MethodPost // a WebSocket is opened by a GET, which passes
	return g.cross.Check(&asked) == nil
}

// forbid answers a page of another site, or one that seems so because a proxy
// does not pass on by what host it was asked.
func (g *guard) forbid(w http.ResponseWriter, r *http.Request) {
	text := "pages of other sites may not do this"
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err == nil && origin.Host != "" && r.Header.Get("Sec-Fetch-Site") == "" {
		text = fmt.Sprintf("this comes from a page of %.100q and was sent to %.100q: pages of other sites may not do this. "+
			"If a proxy is between, let it pass the host on, in nginx by: proxy_set_header Host $http_host", origin.Host, r.Host)
	}
	if g.pages != nil && wantsPage(r) {
		g.pages.Forbid(w, r, text)
		return
	}
	problem.Write(w, http.StatusForbidden, "%s", text)
}

// wantsPage reports whether a person is to read the answer.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// reads reports whether a request only reads.
func reads(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !jsonrpc.IsSocket(r)
}

// hostname is the name of host or host:port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func loopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || (ip != nil && ip.IsLoopback())
}

// nearby reports whether a request is of a page of this machine.
func nearby(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && loopback(origin.Hostname())
}

// allow lets the page that a request is of read the answer.
func allow(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	w.Header().Set("Access-Control-Expose-Headers", "ETag, Retry-After")
}

// preflight answers what may be sent, above all to a browser that asks for a
// page of this machine.
func (g *guard) preflight(w http.ResponseWriter, r *http.Request, near bool) {
	methods := g.methods(r)
	if len(methods) == 0 {
		g.nowhere(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	if near {
		if r.URL.Path != "/" { // what changes something is not for pages elsewhere
			methods = slices.DeleteFunc(methods, func(m string) bool { return m == http.MethodPost })
		}
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		w.Header().Set("Access-Control-Allow-Headers", "Last-Event-ID, Cache-Control, Content-Type, If-None-Match")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// methods are those that a path takes.
func (g *guard) methods(r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := *r
		other.Method = method
		if _, pattern := g.mux.Handler(&other); pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}

// nowhere answers what no route is for.
func (g *guard) nowhere(w http.ResponseWriter, r *http.Request) {
	methods := g.methods(r)
	switch {
	case len(methods) > 0:
		w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
		problem.Write(w, http.StatusMethodNotAllowed, "%.200s takes %s", r.URL.Path, strings.Join(methods, ", "))
	case g.pages != nil && wantsPage(r):
		g.pages.Nowhere(w, r)
	default:
		problem.Write(w, http.StatusNotFound, "there is nothing at %.200s; / has the list", r.URL.Path)
	}
}
