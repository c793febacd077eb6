package pages

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gapless/internal/store"
)

// search leads to what a text names: a block number, a hash, an address or a
// label. What names nothing gets an answer that says what was looked for.
func (h *Handler) search(r *http.Request) (view, error) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	if text == "" {
		return view{}, redirect("")
	}
	if number, ok := parseNumber(text); ok {
		return view{}, redirect(fmt.Sprintf("block/%d", number))
	}
	if a, ok := parseAddress(text); ok {
		return view{}, redirect("address/" + hexAddress(a))
	}
	if to, err := h.searchHash(r, text); to != "" || err != nil {
		return view{}, errors.Join(redirectTo(to), err)
	}
	if found := h.searchLabels(text); len(found) > 0 {
		return view{}, &notice{status: http.StatusOK, Title: "Addresses of that name", Text: "These have " + plain(text) + " in their label.", Links: found}
	}
	return view{}, &notice{status: http.StatusNotFound, Title: "Nothing found", Text: h.explainSearch(r, text)}
}

// parseNumber reads a block number as a person may write it.
func parseNumber(text string) (uint64, bool) {
	text = strings.NewReplacer(",", "", "_", "", "#", "").Replace(text)
	if digits, ok := strings.CutPrefix(text, "0x"); ok && len(digits) <= 16 {
		n, err := strconv.ParseUint(digits, 16, 63)
		return n, err == nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil && len(text) < 20
}

func redirectTo(to string) error {
	if to == "" {
		return nil
	}
	return redirect(to)
}

// searchHash finds the block or the transaction of a hash.
func (h *Handler) searchHash(r *http.Request, text string) (to string, err error) {
	hash, ok := parseHash(text)
	if !ok {
		return "", nil
	}
	err = h.store().View(r.Context(), func(v *store.View) error {
		if _, err := v.Transaction(hash, false); !errors.Is(err, store.ErrNotFound) {
			to = "tx/" + hash.Hex()
			return err
		}
		number, err := v.Number(hash)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		to = fmt.Sprintf("block/%d", number)
		return err
	})
	return to, err
}

// mostLabels is how many labels a search gives.
const mostLabels = 50

func (h *Handler) searchLabels(text string) (found []link) {
	for a, name := range h.names.Load().labels {
		if strings.Contains(strings.ToLower(name), strings.ToLower(text)) {
			found = append(found, link{"address/" + hexAddress(a), cut(name, mostText-50) + " " + hexAddress(a)})
		}
	}
	slices.SortFunc(found, func(a, b link) int { return strings.Compare(a.Text, b.Text) })
	return found[:min(len(found), mostLabels)]
}

// explainSearch says why nothing was found.
func (h *Handler) explainSearch(r *http.Request, text string) string {
	shown := plain(text)
	digits := strings.TrimPrefix(text, "0x")
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return shown + " is neither a block number nor a hash nor an address, and no label has it in it."
	}
	switch len(digits) {
	case 64:
		if _, missing, err := h.countMissing(r); err == nil && missing > 0 {
			return fmt.Sprintf("No stored block or transaction has the hash %s. %s missing, and it may be in one of them.", shown, blocksAre(missing))
		}
		return "No stored block or transaction has the hash " + shown + ". The index has every block up to its head, so it is not in the chain yet, or any more."
	}
	return fmt.Sprintf("%s has %d hex digits: a hash has 64, an address 40.", shown, len(digits))
}

func (h *Handler) countMissing(r *http.Request) (next, missing uint64, err error) {
	start, next, err := h.bounds(r.Context())
	if err != nil {
		return 0, 0, err
	}
	missing, err = h.store().CountMissing(r.Context(), start, next)
	return next, missing, err
}

func blocksAre(n uint64) string {
	if n == 1 {
		return "1 block is"
	}
	return thousands(strconv.FormatUint(n, 10)) + " blocks are"
}
