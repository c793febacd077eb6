package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gapless/internal/api/problem"
	"gapless/internal/store"
)

// A PruneRequest moves the start block up to Below.
type PruneRequest struct {
	Below *uint64 `json:"below"`
}

// A PruneAnswer says where the start block is. If that is lower than was asked
// for, there was no time for more: ask again.
type PruneAnswer struct {
	Start uint64 `json:"start_block"`
}

// pruneTime is how long one request deletes blocks.
const pruneTime = time.Second

func (h *Handler) prune(w http.ResponseWriter, r *http.Request) {
	var q PruneRequest
	switch {
	case !read(w, r, &q):
		return
	case q.Below == nil:
		problem.Write(w, http.StatusBadRequest, "below must be a block number")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pruneTime)
	defer cancel()
	start, err := Prune(ctx, h.Store, *q.Below)
	switch {
	case errors.As(err, new(*NotFinalError)):
		problem.Write(w, http.StatusConflict, "%s", err)
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		problem.Write(w, http.StatusInternalServerError, "%s", err)
	default:
		write(w, http.StatusOK, PruneAnswer{start})
	}
}

// A NotFinalError says that a reorg may still leave blocks that were to be
// deleted.
type NotFinalError struct{ Below, Most uint64 }

func (e *NotFinalError) Error() string {
	return fmt.Sprintf("the blocks below %d are not all final: the highest that the file may begin with now is %d", e.Below, e.Most)
}

// Prune deletes the blocks below a number, and says with which the file begins
// then; also if ctx ends before it is that one. It is a [*NotFinalError] if
// they are not all final.
func Prune(ctx context.Context, s *store.Store, below uint64) (start uint64, err error) {
	most, err := s.Prunable(ctx)
	if err != nil {
		return 0, err
	}
	if start, _, err = s.Bounds(ctx); err != nil {
		return 0, err
	}
	if below > max(most, start) {
		return start, &NotFinalError{below, most}
	}
	for start < below {
		at, err := s.Prune(ctx, below)
		if err != nil {
			return start, err
		}
		start = at
	}
	return start, nil
}
