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
	Tab          string                    // transactions, transfers or logs
	Tabs         []tab
	Transactions *listing[store.TransactionSummary]
	Transfers    *listing[store.TransferSummary]
	Logs         *listing[store.LogSummary]
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
	return view{template: "address.html", title: "Address " + short(hexAddress(a)), content: &v}, h.addressList(r, &v)
}

// addressList looks up the list that is shown.
func (h *Handler) addressList(r *http.Request, v *addressView) error {
	switch v.Tab {
	case "transfers":
		l, err := paged(r, func(which store.Range) ([]store.TransferSummary, error) {
			return h.store().TransferSummaries(r.Context(), nil, &v.Address, which)
		}, transferPosition)
		v.Transfers = &l
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
		all[i] = tab{Name: name, To: r.URL.Path + "?show=" + name, Shown: name == shown}
	}
	return all
}
