package pages

import (
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// An addressView is what is stored of an address. Of its lists one is shown.
type addressView struct {
	Address      common.Address
	Created      *store.TransactionSummary // nil if no stored transaction created it
	Token        *store.Token              // nil if it has logged no transfers
	Named        *tokenName                // what the token says of itself; nil if that is not known
	Asked        bool                      // a node is asked
	Account      *account                  // nil if it did not tell
	Tab          string                    // transactions, transfers or logs
	Tabs         []tab
	Transactions *listing[store.TransactionSummary]
	Transfers    *listing[transferRow]
	Logs         *listing[store.LogSummary]
}

// IsContract reports whether there is reason to believe that it has code.
func (v *addressView) IsContract() bool {
	return v.Created != nil || v.Token != nil || (v.Account != nil && v.Account.Code > 0 && v.Account.Delegate == nil)
}

// A tab leads to one of several lists.
type tab struct {
	Name, To string
	Shown    bool
}

func (h *Handler) address(r *http.Request) (view, error) {
	a, ok := parseAddress(r.PathValue("address"))
	if !ok {
		return view{}, badRequest("%s is not an address: that is 0x and 40 hex digits.", plain(r.PathValue("address")))
	}
	v := addressView{Address: a}
	var err error
	if v.Created, err = h.store().CreationOf(r.Context(), a); err != nil {
		return view{}, err
	}
	if v.Token, err = h.store().Token(r.Context(), a); err != nil && !errors.Is(err, store.ErrNotFound) {
		return view{}, err
	}
	if v.Tab = r.URL.Query().Get("show"); v.Tab != "transfers" && v.Tab != "logs" {
		v.Tab = "transactions"
	}
	v.Tabs = tabs(r, v.Tab, "transactions", "transfers", "logs")
	if err := h.addressState(r, &v); err != nil {
		return view{}, err
	}
	return view{template: "address.html", title: "Address " + short(hexAddress(a)), content: &v}, h.addressList(r, &v)
}

// addressState asks the node.
func (h *Handler) addressState(r *http.Request, v *addressView) error {
	_, next, err := h.bounds(r.Context())
	if err != nil {
		return err
	}
	ctx, cancel := within(r.Context())
	defer cancel()
	v.Asked, v.Account = h.state != nil, h.state.account(ctx, v.Address, next)
	if v.Token != nil {
		v.Named = h.nameToken(ctx, v.Token)
	}
	return nil
}

// addressList looks up the list that is shown.
func (h *Handler) addressList(r *http.Request, v *addressView) error {
	switch v.Tab {
	case "transfers":
		l, err := paged(r, func(which store.Range) ([]store.TransferSummary, error) {
			return h.store().TransferSummaries(r.Context(), nil, &v.Address, which)
		}, transferPosition)
		named := h.nameTransfers(r.Context(), l)
		v.Transfers = &named
		return err
	case "logs":
		l, err := paged(r, func(which store.Range) ([]store.LogSummary, error) {
			return h.store().LogSummaries(r.Context(), &v.Address, nil, which)
		}, logPosition)
		v.Logs = &l
		return err
	}
	l, err := paged(r, func(which store.Range) ([]store.TransactionSummary, error) {
		return h.store().TransactionsOf(r.Context(), v.Address, which)
	}, transactionPosition)
	v.Transactions = &l
	return err
}

// tabs leads to lists of the same path.
func tabs(r *http.Request, shown string, names ...string) []tab {
	all := make([]tab, len(names))
	for i, name := range names {
		all[i] = tab{Name: name, To: here(r, "show="+name), Shown: name == shown}
	}
	return all
}

// code gives all of an address's code as hex, as the node tells it.
func (h *Handler) code(w http.ResponseWriter, r *http.Request) {
	a, ok := parseAddress(r.PathValue("address"))
	if !ok || h.state == nil {
		http.Error(w, "the index holds no code: gapless run --proxy asks the node", http.StatusNotFound)
		return
	}
	ctx, cancel := within(r.Context())
	defer cancel()
	content, err := h.state.code(ctx, a)
	if err != nil {
		http.Error(w, "the node did not tell", http.StatusBadGateway)
		return
	}
	writeText(w, r, content)
}
