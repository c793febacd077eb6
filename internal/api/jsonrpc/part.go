package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"gapless/internal/bytebudget"
)

// A part is the answer to one call. The rpc package makes it, and writes it here
// when it is made.
type part struct {
	*request
	body    []byte // what the rpc package is asked
	header  http.Header
	stream  *stream // nil: the answer is sent in one piece
	element bool    // of a batch: body is a batch of one, and so is the answer

	wanted int64 // what the hold lacked room for; 0: nothing
	size   int   // of what was written
	err    error // of the client's
}

// errNoRoom is of an answer that is to be made again once there is room for it.
var errNoRoom = errors.New("no room for the answer")

var (
	errBusy     = &Error{Code: codeLimit, Message: "too many answers are under way; try again"}
	errTimedOut = &Error{Code: codeTimedOut, Message: "request timed out"}
	errTooLarge = &Error{Code: codeTooLarge, Message: "response too large"}
)

// make answers a call. An answer for which there is no room
// is dropped, and made again when there is: nothing waits for others while it
// holds more than it may.
func (q *request) make(ctx context.Context, p *part) error {
	const tries = 3 // it may have grown meanwhile
	for range tries {
		q.serve(ctx, p)
		if p.wanted == 0 {
			return p.err
		}
		if err := q.hold.Resize(ctx, p.wanted); err != nil {
			return p.refuse(err)
		}
		p.wanted = 0
	}
	return p.refuse(context.DeadlineExceeded)
}

// serve lets the rpc package answer.
func (q *request) serve(ctx context.Context, p *part) {
	ctx = context.WithValue(ctx, partKey{}, p)
	r := &http.Request{Method: http.MethodPost, Header: q.asked, Body: io.NopCloser(bytes.NewReader(p.body)), ContentLength: int64(len(p.body))}
	q.handler.server.ServeHTTP(p, r.WithContext(ctx))
	if p.wanted == 0 {
		q.shrink()
	}
}

// shrink gives back what the last answer held.
func (q *request) shrink() { q.hold.TryResize(q.base) }

type partKey struct{}

// reserve waits until an answer of so many bytes may be made. It is for a method
// that knows how large its answer is.
func reserve(ctx context.Context, bytes int64) error {
	p, _ := ctx.Value(partKey{}).(*part)
	if p == nil || p.base+2*bytes <= p.hold.Bytes() {
		return nil
	}
	return p.hold.Resize(ctx, p.base+2*bytes)
}

// admit gives what a method has made, or errNoRoom if there is no room for it now:
// then the call is made again.
func admit(ctx context.Context, result answer) (answer, error) {
	if p, _ := ctx.Value(partKey{}).(*part); p != nil && !p.fits(len(result)) {
		return nil, errNoRoom
	}
	return result, nil
}

// Header is for the rpc package.
func (p *part) Header() http.Header {
	if p.header == nil {
		p.header = make(http.Header) // nobody reads it
	}
	return p.header
}

// WriteHeader is for the rpc package.
func (p *part) WriteHeader(code int) {
	if p.status != nil && !p.element {
		p.status(code)
	}
}

// Write sends the answer, if there is room for it.
func (p *part) Write(data []byte) (int, error) {
	if p.stream != nil && p.stream.begun {
		return len(data), nil // what others write is dropped
	}
	if p.wanted > 0 || !p.fits(len(data)) {
		return 0, errNoRoom
	}
	p.err = p.send(data)
	return len(data), p.err
}

// fits reports whether there is room for an answer of so many bytes. It is held
// twice: as it was made, and as it is sent.
func (p *part) fits(bytes int) bool {
	need := p.base + max(0, 2*int64(bytes)-bytebudget.Small)
	if need > p.hold.Bytes() && !p.hold.TryResize(need) {
		p.wanted = need
		return false
	}
	return true
}

func (p *part) send(data []byte) error {
	if p.element {
		data = bytes.TrimSuffix(bytes.TrimPrefix(data, []byte("[")), []byte("]"))
	}
	p.size = len(data)
	_, err := p.whole.Write(data)
	return err
}

// refuse answers with an error instead.
func (p *part) refuse(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return cause // the client has gone, or the server ends
	}
	err := errBusy
	if refused, ok := errors.AsType[*Error](cause); ok {
		err = refused
	}
	call := p.body
	if p.element {
		call = call[1 : len(call)-1]
	}
	var asked struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if json.Unmarshal(call, &asked) == nil && asked.ID == nil && asked.Method != "" {
		return nil // a notification
	}
	if len(asked.ID) == 0 || asked.ID[0] == '{' || asked.ID[0] == '[' {
		asked.ID = json.RawMessage("null")
	}
	p.Header().Del("Content-Length")
	data := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, asked.ID, err.Code, err.Message)
	p.size = len(data)
	_, wrote := p.whole.Write(data)
	return wrote
}
