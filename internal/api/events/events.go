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
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gapless/internal/api/problem"
	"gapless/internal/store"
)

const (
	// heartbeat is how often an idle stream shows that it lives.
	heartbeat = 15 * time.Second
	// patience is how long a client may take to read.
	patience = 10 * time.Second
	// batch is how many rows are read at once.
	batch = 500
	// mostStreams bounds what clients can hold open.
	mostStreams = 256
)

// A Handler serves the stream. Make one with [New].
type Handler struct {
	store   *store.Store
	streams chan struct{} // one entry for each open stream
	quit    chan struct{} // closed by Close
}

// New makes a handler that tells of the store's commits.
func New(s *store.Store) *Handler {
	return &Handler{store: s, streams: make(chan struct{}, mostStreams), quit: make(chan struct{})}
}

// Close ends all streams. It is called once.
func (h *Handler) Close() { close(h.quit) }

// An event is the data of a server-sent event.
type event struct {
	At     time.Time       `json:"at"`
	First  uint64          `json:"first_block"`
	Last   uint64          `json:"last_block"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// ServeHTTP streams what is committed after the event that the client names in
// Last-Event-ID, or in the query as last_event_id, or else from now on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		problem.Write(w, http.StatusServiceUnavailable, "%d clients listen already", mostStreams)
		return
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("last_event_id")
	}
	s := stream{store: h.store, quit: h.quit, out: w, control: http.NewResponseController(w)}
	if err := s.open(r.Context(), last); err != nil {
		problem.Write(w, http.StatusServiceUnavailable, "%s", err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")                          // a proxy's buffer would hold events back
	if err := s.control.SetReadDeadline(time.Time{}); err != nil { // the server's would end the stream
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	s.run(r.Context())
}

// A stream is one client's.
type stream struct {
	store   *store.Store
	quit    <-chan struct{}
	out     http.ResponseWriter
	control *http.ResponseController
	pending bytes.Buffer // not yet sent

	epoch string
	seq   int64 // told last
}

// open finds out where to begin.
func (s *stream) open(ctx context.Context, last string) error {
	id, err := s.store.Identity(ctx)
	if err != nil {
		return err
	}
	s.epoch = fmt.Sprintf("%x", id.Epoch)
	end, err := s.store.JournalEnd(ctx)
	if err != nil {
		return err
	}
	s.seq = end
	if last == "" {
		s.pending.WriteString(": from now on\n\n")
		return nil
	}
	why, from := s.resume(last, end)
	if why != "" {
		s.reset(why)
		return nil
	}
	s.seq = from
	return nil
}

// resume finds where the client was, or says why the stream can't go on there.
func (s *stream) resume(last string, end int64) (why string, from int64) {
	epoch, number, _ := strings.Cut(last, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || seq < 0:
		return "the id is not one of gapless", 0
	case epoch != s.epoch:
		return "the id is of another file", 0
	case seq > end:
		return "the id is of a later state of the file", 0
	}
	return "", seq
}

// reset tells the client to begin anew: what it knows may be wrong.
func (s *stream) reset(why string) {
	data, _ := json.Marshal(map[string]string{"reason": why}) // a string always can be
	s.event(s.seq, "reset", data)
}

func (s *stream) event(seq int64, kind string, data []byte) {
	fmt.Fprintf(&s.pending, "id: %s-%d\nevent: %s\ndata: %s\n\n", s.epoch, seq, kind, data)
}

// run sends what there is and waits for more, until the handler is closed or the
// client is gone or too slow.
func (s *stream) run(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		changed := s.store.Changed() // before reading, to miss nothing
		more, err := s.read(ctx)
		if err != nil || s.send() != nil {
			return
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.quit:
			return
		case <-changed:
		case <-beat.C:
			s.pending.WriteString(": alive\n\n")
		}
	}
}

// read takes in what was committed since. It reports whether there is more.
func (s *stream) read(ctx context.Context) (more bool, err error) {
	rows, err := s.store.JournalAfter(ctx, s.seq, batch)
	if err != nil {
		return false, err
	}
	if other, err := s.rotated(ctx); other || err != nil {
		return other, err // the rows are of which file?
	}
	for _, row := range rows {
		data, err := json.Marshal(event{row.At.UTC(), row.First, row.Last, json.RawMessage(row.Detail)})
		if err != nil {
			return false, err
		}
		s.event(row.Seq, row.Kind, data)
		s.seq = row.Seq
	}
	return len(rows) == batch, nil
}

// rotated reports whether there is another file in the place of the stream's,
// and if so begins with it.
func (s *stream) rotated(ctx context.Context) (bool, error) {
	id, err := s.store.Identity(ctx)
	if errors.Is(err, store.ErrNoChain) {
		return false, nil // nothing was written to the new file either
	}
	epoch := fmt.Sprintf("%x", id.Epoch)
	if err != nil || epoch == s.epoch {
		return false, err
	}
	s.epoch, s.seq = epoch, 0
	return true, nil
}

// send writes what is pending. A client that does not read in time is dropped,
// and comes back with the id that it has.
func (s *stream) send() error {
	if s.pending.Len() == 0 {
		return nil
	}
	defer s.pending.Reset()
	if err := s.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := s.out.Write(s.pending.Bytes()); err != nil {
		return err
	}
	return s.control.Flush()
}
