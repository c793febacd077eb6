package rest

import (
	"net/http"

	"gapless/internal/api/problem"
)

// A CompleteRequest has the checks made that were not made when blocks were
// stored.
type CompleteRequest struct {
	Blocks []uint64 `json:"blocks"` // at most MostCompletions
}

// A CompleteAnswer says of how many of the blocks the verdict has grown.
type CompleteAnswer struct {
	Completed int `json:"completed"`
}

// MostCompletions is how many blocks a CompleteRequest may have. With a hundred
// transactions each, to check their senders takes a core a second or two.
const MostCompletions = 64

func (h *Handler) complete(w http.ResponseWriter, r *http.Request) {
	var q CompleteRequest
	switch {
	case !read(w, r, &q):
		return
	case len(q.Blocks) > MostCompletions:
		problem.Write(w, http.StatusBadRequest, "blocks may have %d numbers", MostCompletions)
		return
	}
	n, err := h.Store.Complete(r.Context(), q.Blocks)
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "%s", err)
		return
	}
	write(w, http.StatusOK, CompleteAnswer{n})
}
