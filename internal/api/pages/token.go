package pages

import (
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

func hexAddress(a common.Address) string { return hexutil.Encode(a[:]) }

// A tokenView is a token with its transfers.
type tokenView struct {
	Token     *store.Token
	Named     *tokenName // nil if what it says of itself is not known
	Transfers listing[transferRow]
}

func (h *Handler) token(r *http.Request) (view, error) {
	a, ok := parseAddress(r.PathValue("address"))
	if !ok {
		return view{}, badRequest("%s is not an address: that is 0x and 40 hex digits.", plain(r.PathValue("address")))
	}
	t, err := h.store().Token(r.Context(), a)
	if errors.Is(err, store.ErrNotFound) {
		return view{}, notFound("No transfer of a token at %s is stored.", hexAddress(a))
	}
	if err != nil {
		return view{}, err
	}
	v := tokenView{Token: t, Named: h.nameToken(r.Context(), t)}
	transfers, err := paged(r, func(which store.Range) ([]store.TransferSummary, error) {
		return h.store().TransferSummaries(r.Context(), &a, nil, which)
	}, transferPosition)
	v.Transfers = h.nameTransfers(r.Context(), transfers)
	return view{template: "token.html", title: "Token " + short(hexAddress(a)), content: &v}, err
}

// A tokensView is some of the tokens, in order of address.
type tokensView struct {
	Rows      []tokenRow
	Asked     bool // a node is asked for names
	Next, Top string
}

func (h *Handler) tokens(r *http.Request) (view, error) {
	v := tokensView{Asked: h.state != nil}
	var after *common.Address
	if text := r.URL.Query().Get("after"); text != "" {
		a, ok := parseAddress(text)
		if !ok {
			return view{}, badRequest("%s is not a place in a list", plain(text))
		}
		after, v.Top = &a, with(r, "after", "")
	}
	rows, err := h.store().Tokens(r.Context(), after, rowsShown+1)
	if len(rows) > rowsShown {
		rows = rows[:rowsShown]
		v.Next = with(r, "after", hexAddress(rows[rowsShown-1].Address))
	}
	standards := make(map[common.Address]int)
	for _, t := range rows {
		standards[t.Address] = t.Standard
	}
	named := h.state.tokenNames(r.Context(), standards)
	for _, t := range rows {
		v.Rows = append(v.Rows, tokenRow{t, named[t.Address]})
	}
	return view{template: "tokens.html", title: "Tokens", content: &v}, err
}
