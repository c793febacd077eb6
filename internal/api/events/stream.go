package events

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gapless/internal/store"
)

// A stream is one client's.
type stream struct {
	*Handler
	out     http.ResponseWriter
	control *http.ResponseController

	epoch string
	seq   int64  // told last
	first []byte // what is sent before any event
}

// open finds out where to begin.
func (s *stream) open(ctx context.Context, last string) (err error) {
	if s.epoch, s.seq, err = s.tail.position(ctx); err != nil {
		return err
	}
	if last == "" {
		s.first = []byte(": from now on\n\n")
		return nil
	}
	why, from := s.resume(last)
	if why != "" { // what the client knows may be wrong: it is to begin anew
		data, _ := json.Marshal(map[string]string{"reason": why}) // a string always can be
		s.first = text(s.epoch, s.seq, "reset", data)
		return nil
	}
	s.seq = from
	return nil
}

// resume finds where the client was, or says why the stream can't go on there.
func (s *stream) resume(last string) (why string, from int64) {
	epoch, number, _ := strings.Cut(last, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || seq < 0:
		return "the id is not one of gapless", 0
	case epoch != s.epoch:
		return "the id is of another file", 0
	case seq > s.seq:
		return "the id is of a later state of the file", 0
	}
	return "", seq
}

// run sends what there is and waits for more, until the handler is closed or the
// client is gone or too slow.
func (s *stream) run(ctx context.Context) {
	if s.send(s.first) != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		changed := s.store.Changed() // before reading, to miss nothing
		events, more, err := s.read(ctx)
		if err != nil || s.tell(events) != nil {
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
			if s.send([]byte(": alive\n\n")) != nil {
				return
			}
		}
	}
}

// read gives what was committed since. It reports whether there is more.
func (s *stream) read(ctx context.Context) (events []event, more bool, err error) {
	events, end, known, err := s.tail.after(ctx, s.epoch, s.seq)
	switch {
	case err != nil:
		return nil, false, err
	case len(events) > 0:
		return events, events[len(events)-1].seq < end, nil
	case !known:
		s.epoch, s.seq, err = s.begin(ctx)
		return nil, true, err
	case s.seq < end:
		return s.catchUp(ctx)
	}
	return nil, false, nil
}

// begin is where the file begins that has taken the place of the stream's.
func (s *stream) begin(ctx context.Context) (epoch string, seq int64, err error) {
	epoch, _, err = s.tail.position(ctx)
	return epoch, 0, err
}

// catchUp reads rows that are too far back for the tail. It is for this client
// alone.
func (s *stream) catchUp(ctx context.Context) (events []event, more bool, err error) {
	rows, err := s.store.JournalAfter(ctx, s.seq, batch)
	if err != nil {
		return nil, false, err
	}
	switch epoch, err := epochOf(ctx, s.store); { // of which file are the rows?
	case errors.Is(err, store.ErrNoChain):
		return nil, false, nil // of none yet
	case err != nil || epoch != s.epoch:
		return nil, true, err
	}
	for i := range rows {
		e, err := encode(s.epoch, &rows[i])
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
	}
	return events, true, nil
}

// tell sends events.
func (s *stream) tell(events []event) error {
	if len(events) == 0 {
		return nil
	}
	texts := make([][]byte, len(events))
	for i := range events {
		texts[i] = events[i].text
	}
	s.seq = events[len(events)-1].seq
	return s.send(texts...)
}

// send writes to the client. One that does not read in time is dropped, and
// comes back with the id that it has.
func (s *stream) send(texts ...[]byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for _, text := range texts {
		if _, err := s.out.Write(text); err != nil {
			return err
		}
	}
	return s.control.Flush()
}
