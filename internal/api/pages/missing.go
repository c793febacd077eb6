package pages

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// A missingView is some of the missing blocks, the lowest first.
type missingView struct {
	Rows      []rest.Failed
	Next, Top string
}

func (h *Handler) missing(r *http.Request) (view, error) {
	var v missingView
	from := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return view{}, badRequest("%s is not a place in a list", plain(text))
		}
		from, v.Top = n+1, with(r, "after", "")
	}
	rows, err := h.store().FailedFrom(r.Context(), from, rowsShown+1)
	if len(rows) > rowsShown {
		rows = rows[:rowsShown]
		v.Next = with(r, "after", strconv.FormatUint(rows[rowsShown-1].Number, 10))
	}
	for i := range rows {
		v.Rows = append(v.Rows, rest.NewFailed(&rows[i]))
	}
	return view{template: "missing.html", title: "Missing blocks", content: &v}, err
}

// retry makes a missing block due at once, or all of them.
func (h *Handler) retry(w http.ResponseWriter, r *http.Request) {
	first, last := uint64(0), uint64(rest.LastBlock)
	if text := r.PostFormValue("block"); text != "" {
		number, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			h.refuse(w, r, http.StatusBadRequest, "That is not a block number.")
			return
		}
		first, last = number, number
	}
	_, err := h.rest.RetryNow(r.Context(), first, last)
	h.changed(w, r, err)
}

// skip gives a missing block up, for a reason.
func (h *Handler) skip(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PostFormValue("block"), 10, 63)
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	switch {
	case err != nil:
		h.refuse(w, r, http.StatusBadRequest, "That is not a block number.")
		return
	case reason == "":
		h.refuse(w, r, http.StatusBadRequest, "Say why the block is given up.")
		return
	}
	err = h.rest.Skip(r.Context(), number, reason)
	if errors.Is(err, store.ErrNotFound) {
		h.refuse(w, r, http.StatusNotFound, fmt.Sprintf("Block %d is not missing any more.", number))
		return
	}
	h.changed(w, r, err)
}

func (h *Handler) changed(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		h.refuse(w, r, http.StatusInternalServerError, plain(err.Error()))
		return
	}
	lead(w, r, "missing")
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	h.tell(w, r, status, "Nothing was changed", text)
}
