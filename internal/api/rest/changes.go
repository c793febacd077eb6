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
	"strings"

	"gapless/internal/api/problem"
	"gapless/internal/chain"
	"gapless/internal/store"
)

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
	due, err := h.RetryNow(r.Context(), first, last)
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, RetryAnswer{due})
}

// RetryNow makes the missing blocks from first to last due, and says how many.
func (h *Handler) RetryNow(ctx context.Context, first, last uint64) (due int64, err error) {
	due, err = h.Store.RetryNow(ctx, first, last)
	if err == nil {
		err = h.reload(ctx)
	}
	return due, err
}

// reload says that rows have changed, also if who changed them is gone.
func (h *Handler) reload(ctx context.Context) error { return h.Reload(context.WithoutCancel(ctx)) }

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
	err := h.Skip(r.Context(), *q.Block, q.Reason)
	if errors.Is(err, store.ErrNotFound) {
		problem.Write(w, http.StatusNotFound, "block %d is not missing", *q.Block)
		return
	}
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, map[string]uint64{"skipped": *q.Block})
}

// Skip stops the retries of a missing block; [store.ErrNotFound] if it is not
// missing.
func (h *Handler) Skip(ctx context.Context, number uint64, reason string) error {
	if err := h.Store.Skip(ctx, number, reason); err != nil {
		return err
	}
	return h.reload(ctx)
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
	if due > 0 {
		err = errors.Join(err, h.reload(r.Context()))
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
