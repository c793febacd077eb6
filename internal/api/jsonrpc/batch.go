package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// batch answers the calls of a batch, each when the one before is sent: a client
// that does not read holds one answer. Limits are those of the rpc package for a
// batch; the time that the client takes to read does not count.
func (q *request) batch(ctx context.Context, calls []json.RawMessage) (err error) {
	if q.header != nil {
		q.header.Set("Content-Type", "application/json")
	}
	out := q.parts()
	defer func() { err = errors.Join(err, out.Close()) }()
	list := &list{out: out}
	each := *q
	each.whole = list
	left, sent := callTime, 0
	for _, call := range calls {
		p := &part{request: &each, body: slices.Concat([]byte{'['}, call, []byte{']'}), header: make(http.Header), element: true}
		switch {
		case sent > mostAnswer:
			err = p.refuse(errTooLarge)
		case left <= 0:
			err = p.refuse(errTimedOut)
		default:
			var took time.Duration
			took, err = each.timed(ctx, p, left)
			left -= took
		}
		if err != nil {
			return err
		}
		sent += p.size
	}
	return list.end()
}

// timed makes an answer, and says how long that took until it was sent.
func (q *request) timed(ctx context.Context, p *part, left time.Duration) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	l := q.whole.(*list)
	l.began = time.Time{}
	err := q.make(ctx, p)
	if l.began.IsZero() {
		return time.Since(began), err
	}
	return l.began.Sub(began), err
}

// A list writes elements of a JSON array.
type list struct {
	out   io.Writer
	begun bool
	began time.Time // when the last element was written
}

// Write writes an element.
func (l *list) Write(element []byte) (int, error) {
	l.began = time.Now()
	before := ","
	if !l.begun {
		l.begun, before = true, "["
	}
	if _, err := io.WriteString(l.out, before); err != nil {
		return 0, err
	}
	return l.out.Write(element)
}

// end ends the array; one of no elements is nothing.
func (l *list) end() error {
	if !l.begun {
		return nil
	}
	_, err := io.WriteString(l.out, "]")
	return err
}
