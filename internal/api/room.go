package api

import (
	"net/http"
	"time"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/problem"
)

// How many requests are answered at once, and how long others wait for a place.
const (
	mostRequests = 256
	longestWait  = 10 * time.Second
)

// unbounded reports whether a request has a bound of its own, as calls and streams
// have, or is for those who watch over the process: they are to be answered above
// all when there is no place.
func unbounded(r *http.Request) bool {
	switch r.URL.Path {
	case "/api/v1/events", "/healthz", "/readyz", "/metrics":
		return true
	}
	return jsonrpc.IsSocket(r) || r.Method == http.MethodPost && r.URL.Path == "/"
}

// enter waits for a place for a request, which is to leave it then; or else
// answers that there is none.
func (g *guard) enter(w http.ResponseWriter, r *http.Request) bool {
	select {
	case g.room <- struct{}{}:
		return true
	default:
	}
	wait := time.NewTimer(longestWait)
	defer wait.Stop()
	select {
	case g.room <- struct{}{}:
		return true
	case <-r.Context().Done():
	case <-wait.C:
		w.Header().Set("Retry-After", "1")
		problem.Write(w, http.StatusServiceUnavailable, "%d requests are being answered already", mostRequests)
	}
	return false
}

func (g *guard) leave() { <-g.room }
