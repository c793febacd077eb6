package events

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gapless/internal/api/patience"
	"gapless/internal/bytebudget"
	"gapless/internal/store"
)

// A stream is one client's.
type stream struct {
	*Handler
	out     patience.Writer
	control *http.ResponseController
	hold    *bytebudget.Hold // of what is sent

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
		more, err := s.step(ctx)
		if err != nil {
			return
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-beat.C:
			if s.send([]byte(": alive\n\n")) != nil {
				return
			}
		}
	}
}

// step sends some of what was committed since, and reports whether there is more.
// What is sent is held before it is read.
func (s *stream) step(ctx context.Context) (more bool, err error) {
	if err := s.hold.Resize(ctx, bytebudget.Small); err != nil {
		return false, err
	}
	defer s.hold.Release()
	text, more, err := s.read(ctx)
	if err != nil || len(text) == 0 {
		return more, err
	}
	if err := s.hold.Resize(ctx, max(bytebudget.Small, int64(len(text)))); err != nil {
		return false, err
	}
	return more, s.send(text)
}

// read gives what is to be sent of what was committed since, and moves on. It
// reports whether there is more.
func (s *stream) read(ctx context.Context) (text []byte, more bool, err error) {
	events, end, known, err := s.tail.after(ctx, s.epoch, s.seq)
	switch {
	case err != nil:
		return nil, false, err
	case len(events) > 0:
		text = s.take(events)
		return text, s.seq < end, nil
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
// alone, and few do so at once.
func (s *stream) catchUp(ctx context.Context) (text []byte, more bool, err error) {
	select {
	case s.behind <- struct{}{}:
		defer func() { <-s.behind }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
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
	var events []event
	for i := range rows {
		e, err := encode(s.epoch, &rows[i])
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
	}
	return s.take(events), true, nil
}

// take gives the text of some events, at least one if there are any, and moves on
// past them. It is a copy, as a slow client is not to keep what the tail drops.
func (s *stream) take(events []event) (text []byte) {
	for i, e := range events {
		if i > 0 && len(text)+len(e.text) > mostSent {
			break
		}
		text, s.seq = append(text, e.text...), e.seq
	}
	return text
}

// send writes to the client. One that does not read is dropped, and comes back
// with the id that it has.
func (s *stream) send(text []byte) error {
	if _, err := s.out.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
