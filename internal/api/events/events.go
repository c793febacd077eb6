// Package events tells over HTTP what was committed, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// An event is a row of the file's journal, so that it is told after its commit
// and never taken back. Its id is <epoch of the file>-<seq of the row>, and a
// client that comes back with it misses nothing, however long it was away: rows
// about blocks are merged when they are old, and not dropped. When the file is
// rotated, streams go on with the new one from its begin, which is its row of
// kind reset.
package events

import (
	"context"
	"net/http"
	"time"

	"gapless/internal/api/patience"
	"gapless/internal/api/problem"
	"gapless/internal/bytebudget"
	"gapless/internal/store"
)

const (
	// heartbeat is how often an idle stream shows that it lives.
	heartbeat = 15 * time.Second
	// mostStreams bounds what clients can hold open: each takes a connection
	// and about 30 KB.
	mostStreams = 1000
	// mostBehind is how many at once read what is too far back for the tail.
	mostBehind = 4
	// mostSent is how many bytes of events are sent at once.
	mostSent = bytebudget.Small / 2
)

// A Handler serves the stream. Make one with [New].
type Handler struct {
	store   *store.Store
	budget  *bytebudget.Budget
	tail    tail
	streams chan struct{} // one entry for each open stream
	behind  chan struct{} // and one for each that reads the journal itself

	ending context.Context    // is done when the handler is closed
	end    context.CancelFunc // ends all streams
}

// New makes a handler that tells of the store's commits. What it sends is of the
// budget.
func New(s *store.Store, b *bytebudget.Budget) *Handler {
	ctx, end := context.WithCancel(context.Background()) // until Close
	return &Handler{
		store: s, budget: b, tail: tail{store: s},
		streams: make(chan struct{}, mostStreams), behind: make(chan struct{}, mostBehind), ending: ctx, end: end,
	}
}

// Close ends all streams.
func (h *Handler) Close() { h.end() }

// ServeHTTP streams what is committed after the event that the client names in
// Last-Event-ID, or in the query as last_event_id, or else from now on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		problem.Write(w, http.StatusServiceUnavailable, "%d clients listen already", mostStreams)
		return
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("last_event_id")
	}
	control := http.NewResponseController(w)
	s := stream{Handler: h, out: patience.New(w, control.SetWriteDeadline), control: control, hold: h.budget.Account().Hold()}
	defer s.hold.Release()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.ending, cancel)()
	if err := s.open(ctx, last); err != nil {
		problem.Write(w, http.StatusServiceUnavailable, "%s", err)
		return
	}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil { // the server's would end the stream
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // a proxy's buffer would hold events back
	if r.Method == http.MethodHead {
		return
	}
	s.run(ctx)
}
