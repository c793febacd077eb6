package api

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"strconv"

	"gapless/internal/api/patience"
	"gapless/internal/bytebudget"
)

// An answer is made whole before it is sent. It is the ResponseWriter of who makes
// it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	bytes  int // of the body, also of one that was dropped
}

// Header is part of [http.ResponseWriter].
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is part of [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	a.status = cmp.Or(a.status, status)
	if n, err := strconv.Atoi(a.header.Get("Content-Length")); err == nil && a.body.Len() == 0 {
		a.body.Grow(n)
	}
}

// Write is part of [http.ResponseWriter].
func (a *answer) Write(data []byte) (int, error) { return a.body.Write(data) }

// need is how many bytes the answer holds while it is sent.
func (a *answer) need() int64 { return max(bytebudget.Small, int64(a.bytes)) }

// send sends the answer to a client, which must read.
func (a *answer) send(w http.ResponseWriter) {
	clear(w.Header())
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	to := patience.New(w, http.NewResponseController(w).SetWriteDeadline)
	_, _ = to.Write(a.body.Bytes()) // the client's loss
}
