package pages

import (
	"net/http"

	"gapless/internal/store"
)

func (h *Handler) blocks(r *http.Request) (view, error) {
	l, err := paged(r, func(which store.Range) ([]store.Summary, error) {
		return h.store().Summaries(r.Context(), which)
	}, func(s *store.Summary) store.Position { return store.Position{Block: s.Number} })
	return view{template: "blocks.html", title: "Blocks", content: l}, err
}

func (h *Handler) transactions(r *http.Request) (view, error) {
	l, err := paged(r, func(which store.Range) ([]store.TransactionSummary, error) {
		return h.store().TransactionSummaries(r.Context(), which)
	}, transactionPosition)
	return view{template: "transactions.html", title: "Transactions", content: l}, err
}

func transactionPosition(t *store.TransactionSummary) store.Position { return t.Position }

func transferPosition(t *store.TransferSummary) store.Position { return t.Position }

func logPosition(l *store.LogSummary) store.Position { return l.Position }
