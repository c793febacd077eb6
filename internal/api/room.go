package api

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/places"
	"gapless/internal/api/problem"
	"gapless/internal/bytebudget"
)

// How many answers are made at once, and how long others wait.
const (
	mostMade    = 16
	mostLarge   = 2 // of them, such as may be large
	longestWait = 10 * time.Second
)

// A room is where answers are made and sent. What is sent has its part of what
// all answers may hold; few are made at once.
type room struct {
	budget *bytebudget.Budget
	making places.Places // of answers that are made
	large  places.Places // and of those that may be large
}

func newRoom(b *bytebudget.Budget) *room {
	return &room{budget: b, making: make(places.Places, mostMade), large: make(places.Places, mostLarge)}
}

// unbounded reports whether a request has a bound of its own, as calls and streams
// have, or is for those who watch over the process: they are to be answered above
// all when there is no room.
func unbounded(r *http.Request) bool {
	switch r.URL.Path {
	case "/api/v1/events", "/healthz", "/readyz", "/metrics":
		return true
	}
	return jsonrpc.IsSocket(r) || r.Method == http.MethodPost && r.URL.Path == "/"
}

// mayBeLarge reports whether an answer may take much more than a usual page.
func mayBeLarge(path string) bool {
	return path == "/api/v1/logs" || strings.HasPrefix(path, "/api/v1/transactions/") ||
		strings.HasPrefix(path, "/tx/") && strings.Count(path, "/") > 2
}

// serve has a request answered when there is room.
func (m *room) serve(w http.ResponseWriter, r *http.Request, h http.Handler) {
	hold := m.budget.Account().Hold()
	defer hold.Release()
	ctx, cancel := context.WithTimeout(r.Context(), longestWait)
	defer cancel()
	err := hold.Resize(ctx, bytebudget.Small)
	switch {
	case err != nil:
	case !reads(r): // answers little, and must not be asked twice
		h.ServeHTTP(w, r)
	default:
		err = m.answer(ctx, hold, w, r, h)
	}
	if err != nil {
		w.Header().Set("Retry-After", "1")
		problem.Write(w, http.StatusServiceUnavailable, "too many answers are under way already")
	}
}

// answer makes an answer whole before it is sent, so that nothing else is held
// while the client reads. One for which there is no room is dropped, and made
// again when there is. An error says that there was none in time.
func (m *room) answer(waiting context.Context, hold *bytebudget.Hold, w http.ResponseWriter, r *http.Request, h http.Handler) error {
	for {
		a, err := m.make(waiting, hold, r, h, w.Header())
		if err != nil {
			return err
		}
		if a.body.Len() == a.bytes {
			a.send(w)
			return nil
		}
		hold.Release() // there is nothing meanwhile
		if err := hold.Resize(waiting, a.need()); err != nil {
			return err
		}
	}
}

// make makes an answer when it is its turn, and drops its body if there is no room
// for it.
func (m *room) make(waiting context.Context, hold *bytebudget.Hold, r *http.Request, h http.Handler, header http.Header) (*answer, error) {
	if mayBeLarge(r.URL.Path) {
		if err := m.large.Enter(waiting); err != nil {
			return nil, err
		}
		defer m.large.Leave()
	}
	if err := m.making.Enter(waiting); err != nil {
		return nil, err
	}
	defer m.making.Leave()
	a := &answer{header: header.Clone()}
	h.ServeHTTP(a, r)
	if a.bytes = a.body.Len(); !hold.TryResize(a.need()) {
		a.body = bytes.Buffer{}
	}
	return a, nil
}
