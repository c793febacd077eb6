// Package rest answers questions about the index, and changes what is retried,
// in JSON over HTTP.
package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"gapless/internal/api/problem"
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
	// SessionKey signs the sessions of the pages. Without one there are none.
	SessionKey string
}

// Register adds the routes to mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", h.healthy)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /api/v1/status", h.status)
	for route, look := range map[string]func(context.Context, *question) (any, error){
		"blocks":              h.blocks,
		"blocks/{block}":      h.block,
		"transactions":        h.transactions,
		"transactions/{hash}": h.transaction,
		"logs":                h.logs,
		"transfers":           h.transfers,
		"addresses/{address}": h.address,
		"tokens":              h.tokens,
		"tokens/{address}":    h.token,
		"failed":              h.failed,
		"coverage":            h.coverage,
		"journal":             h.journal,
	} {
		mux.HandleFunc("GET /api/v1/"+route, answers(look))
	}
	mux.Handle("POST /api/v1/retry", h.withToken(h.retry))
	mux.Handle("POST /api/v1/skip", h.withToken(h.skip))
	mux.Handle("POST /api/v1/repair", h.withToken(h.repair))
	mux.Handle("POST /api/v1/prune", h.withToken(h.prune))
	mux.Handle("POST /api/v1/complete", h.withToken(h.complete))
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

// write answers with JSON that is of this moment.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = encoder(w).Encode(v) // the client's loss
}

// writeTagged answers with JSON that a client may keep, if it asks each time
// whether it still holds: any block may be replaced by a reorg.
func writeTagged(w http.ResponseWriter, r *http.Request, v any) {
	var body bytes.Buffer
	if err := encoder(&body).Encode(v); err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	hash := sha256.Sum256(body.Bytes())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, hash[:16]))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body.Bytes())) // knows If-None-Match
}

func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
