// Package rest answers questions about the index, and changes what is retried,
// in JSON over HTTP.
package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"gapless/internal/api/problem"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// A Handler has the routes. Its functions may be called concurrently.
type Handler struct {
	Store *store.Store
	// Status tells of the whole process.
	Status func(context.Context) (Status, error)
	// Ready is nil if the node answers, or else says why not.
	Ready func() error
	// Reload is called after rows of failed_blocks were changed.
	Reload func(context.Context) error
	// Token allows to change something.
	Token string
}

// Register adds the routes to mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", h.healthy)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /api/v1/status", h.status)
	mux.HandleFunc("GET /api/v1/failed", h.failed)
	mux.Handle("POST /api/v1/retry", h.withToken(h.retry))
	mux.Handle("POST /api/v1/skip", h.withToken(h.skip))
	mux.Handle("POST /api/v1/repair", h.withToken(h.repair))
}

func (h *Handler) healthy(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]bool{"alive": true})
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	if err := h.Ready(); err != nil {
		write(w, http.StatusServiceUnavailable, readiness{Reason: err.Error()})
		return
	}
	write(w, http.StatusOK, readiness{Ready: true})
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	s, err := h.Status(r.Context())
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, s)
}

// A FailedPage is some of the missing blocks, in order.
type FailedPage struct {
	Failed   []Failed `json:"failed"`
	NextFrom *uint64  `json:"next_from,omitempty"` // of the next page; absent on the last
}

// How many rows a page of failed has.
const (
	usualLimit = 100
	mostLimit  = 1000
)

func (h *Handler) failed(w http.ResponseWriter, r *http.Request) {
	from, ok := h.number(w, r, "from", 0, 0, LastBlock)
	if !ok {
		return
	}
	limit, ok := h.number(w, r, "limit", usualLimit, 1, mostLimit)
	if !ok {
		return
	}
	rows, err := h.Store.FailedFrom(r.Context(), from, int(limit)+1)
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	page := FailedPage{Failed: []Failed{}}
	for i := range rows {
		if uint64(i) == limit {
			page.NextFrom = &rows[i].Number
			break
		}
		page.Failed = append(page.Failed, newFailed(&rows[i]))
	}
	write(w, http.StatusOK, page)
}

// number reads a number of the query, which must be within bounds.
func (h *Handler) number(w http.ResponseWriter, r *http.Request, name string, usual, least, most uint64) (uint64, bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return usual, true
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		problem.Write(w, http.StatusBadRequest, "%s must be a number from %d to %d", name, least, most)
		return 0, false
	}
	return n, true
}

// A RetryRequest makes missing blocks due at once. Without Last it is one
// block, without both it is all.
type RetryRequest struct {
	First *uint64 `json:"first,omitempty"`
	Last  *uint64 `json:"last,omitempty"`
}

// A RetryAnswer says how many blocks were missing in the range.
type RetryAnswer struct {
	Due int64 `json:"due"`
}

func (h *Handler) retry(w http.ResponseWriter, r *http.Request) {
	var q RetryRequest
	if !read(w, r, &q) {
		return
	}
	first, last := uint64(0), uint64(LastBlock)
	switch {
	case q.First != nil && q.Last == nil:
		first, last = *q.First, *q.First
	case q.First != nil:
		first, last = *q.First, *q.Last
	case q.Last != nil:
		problem.Write(w, http.StatusBadRequest, "last is given without first")
		return
	}
	if first > last || last > math.MaxInt64 {
		problem.Write(w, http.StatusBadRequest, "there are no blocks from %d to %d", first, last)
		return
	}
	due, err := h.Store.RetryNow(r.Context(), first, last)
	if err == nil {
		err = h.Reload(r.Context())
	}
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, RetryAnswer{due})
}

// A SkipRequest stops the retries of a missing block.
type SkipRequest struct {
	Block  *uint64 `json:"block"`
	Reason string  `json:"reason"`
}

func (h *Handler) skip(w http.ResponseWriter, r *http.Request) {
	var q SkipRequest
	switch {
	case !read(w, r, &q):
		return
	case q.Block == nil || *q.Block > math.MaxInt64:
		problem.Write(w, http.StatusBadRequest, "block must be a block number")
		return
	case strings.TrimSpace(q.Reason) == "":
		problem.Write(w, http.StatusBadRequest, "reason must say why the block is given up")
		return
	}
	err := h.Store.Skip(r.Context(), *q.Block, q.Reason)
	if errors.Is(err, store.ErrNotFound) {
		problem.Write(w, http.StatusNotFound, "block %d is not missing", *q.Block)
		return
	}
	if err == nil {
		err = h.Reload(r.Context())
	}
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, map[string]uint64{"skipped": *q.Block})
}

// A RepairRequest makes blocks missing, because they are wrong.
type RepairRequest struct {
	Blocks []uint64 `json:"blocks"` // at most MostRepairs
}

// A RepairAnswer says how many of the blocks are to be fetched anew; the others
// are not within the file's range.
type RepairAnswer struct {
	Due int `json:"due"`
}

// MostRepairs is how many blocks a RepairRequest may have.
const MostRepairs = 1000

func (h *Handler) repair(w http.ResponseWriter, r *http.Request) {
	var q RepairRequest
	switch {
	case !read(w, r, &q):
		return
	case len(q.Blocks) > MostRepairs:
		problem.Write(w, http.StatusBadRequest, "blocks may have %d numbers", MostRepairs)
		return
	}
	due, err := Repair(r.Context(), h.Store, q.Blocks)
	if err == nil {
		err = h.Reload(r.Context())
	}
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, RepairAnswer{due})
}

// Repair makes blocks missing and due, and says how many.
func Repair(ctx context.Context, s *store.Store, blocks []uint64) (due int, err error) {
	for _, number := range blocks {
		_, err := s.Suspect(ctx, number, chain.Invalid, "verify found the stored block wrong")
		switch {
		case err == nil:
			due++
		case !errors.Is(err, store.ErrNotFound):
			return due, err
		}
	}
	return due, nil
}

// withToken lets those pass that show the token.
func (h *Handler) withToken(next http.HandlerFunc) http.Handler {
	want := sha256.Sum256([]byte(h.Token)) // equal lengths for the comparison
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if !ok || h.Token == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			problem.Write(w, http.StatusForbidden, "this needs the token that is in the lock file beside the database file")
			return
		}
		next(w, r)
	})
}

// bodyLimit is how long a request's body may be.
const bodyLimit = 64 << 10

// read reads the JSON body of a request, or answers why it can't.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		problem.Write(w, http.StatusUnsupportedMediaType, "the body must be application/json")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			problem.Write(w, http.StatusRequestEntityTooLarge, "the body may have %d bytes", bodyLimit)
			return false
		}
		problem.Write(w, http.StatusBadRequest, "the body is not what it should be: %s", err)
		return false
	}
	return true
}

// write answers with JSON.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client's loss
}
