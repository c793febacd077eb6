package pages

import (
	"errors"
	"fmt"
	"net/http"

	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// A blockView is one stored block.
type blockView struct {
	*chain.Block
	Confirmations uint64
	Finality      string // finalized, safe or empty
	List          listing[store.TransactionSummary]
	Previous      bool // the block before it is within the file
	Following     bool
}

// A missingBlockView is one that is not there.
type missingBlockView struct {
	Row       rest.Failed
	Next      uint64
	Previous  bool
	Following bool
}

func (h *Handler) block(r *http.Request) (view, error) {
	number, err := h.blockNumber(r)
	if err != nil {
		return view{}, err
	}
	start, next, err := h.bounds(r.Context())
	if err != nil {
		return view{}, err
	}
	if number < start || number >= next {
		return view{}, notFound("Block %s is not indexed: the file has blocks %s to %s.",
			thousands(fmt.Sprint(number)), thousands(fmt.Sprint(start)), thousands(fmt.Sprint(max(next, 1)-1)))
	}
	v := blockView{Previous: number > start, Following: number+1 < next}
	err = h.store().View(r.Context(), func(at *store.View) (err error) {
		v.Block, err = at.Block(number, store.PartHashes)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return h.missingBlock(r, number, next, v.Previous, v.Following)
	}
	if err != nil {
		return view{}, err
	}
	return h.storedBlock(r, &v, next)
}

// blockNumber reads the number, or finds the one of the hash, in the path.
func (h *Handler) blockNumber(r *http.Request) (number uint64, err error) {
	text := r.PathValue("block")
	if number, ok := parseNumber(text); ok {
		return number, nil
	}
	hash, ok := parseHash(text)
	if !ok {
		return 0, badRequest("%s is neither a block number nor a hash.", plain(text))
	}
	err = h.store().View(r.Context(), func(v *store.View) (err error) {
		number, err = v.Number(hash)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, notFound("No stored block has the hash %s.", hash)
	}
	return number, err
}

func (h *Handler) storedBlock(r *http.Request, v *blockView, next uint64) (view, error) {
	number := v.Number
	v.Confirmations = next - number
	finalized, safe, err := h.store().Finality(r.Context())
	switch {
	case err != nil:
		return view{}, err
	case finalized != nil && number <= finalized.Number:
		v.Finality = "finalized"
	case safe != nil && number <= safe.Number:
		v.Finality = "safe"
	}
	v.List, err = paged(r, func(which store.Range) ([]store.TransactionSummary, error) {
		which.From, which.To, which.Ascending = number, number, true
		return h.store().TransactionSummaries(r.Context(), which)
	}, transactionPosition)
	return view{template: "block.html", title: "Block " + thousands(fmt.Sprint(number)), content: v, of: v.Hash.Hex()}, err
}

func (h *Handler) missingBlock(r *http.Request, number, next uint64, previous, following bool) (view, error) {
	row, err := h.store().Failed(r.Context(), number)
	if errors.Is(err, store.ErrNotFound) { // a reorg took it meanwhile
		return view{}, notFound("Block %s has just gone.", thousands(fmt.Sprint(number)))
	}
	if err != nil {
		return view{}, err
	}
	v := missingBlockView{Row: rest.NewFailed(row), Next: next, Previous: previous, Following: following}
	title := fmt.Sprintf("Block %s is missing", thousands(fmt.Sprint(number)))
	return view{template: "missing_block.html", title: title, content: &v}, nil
}

// Before and After are the numbers of the neighbours.
func (v *blockView) Before() uint64 { return v.Number - 1 }
func (v *blockView) After() uint64  { return v.Number + 1 }

// Checks are the block's verdict in words.
func (v *blockView) Checks() rest.Checks { return rest.NewChecks(v.Verdict) }

func (v *missingBlockView) Before() uint64 { return v.Row.Number - 1 }
func (v *missingBlockView) After() uint64  { return v.Row.Number + 1 }

// mostListed is how many withdrawals, or entries of a transaction's lists, are
// shown.
const mostListed = 100

func (v *blockView) ShownWithdrawals() []chain.Withdrawal {
	return v.Withdrawals[:min(len(v.Withdrawals), mostListed)]
}

func (v *blockView) MoreWithdrawals() int { return max(len(v.Withdrawals)-mostListed, 0) }
