package rest

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// An Address is what the index knows of an address: nothing of its balance or
// its code, which are state.
type Address struct {
	Address      common.Address `json:"address"`
	Created      *Transaction   `json:"created_by"`      // null if no stored transaction created it
	Token        *Token         `json:"token,omitempty"` // if it has logged transfers
	Transactions Seen           `json:"transactions"`    // that it sent or received
	Logs         Seen           `json:"logs"`            // that it wrote
	Transfers    Seen           `json:"transfers"`       // of tokens, from or to it
}

// Seen are the first and last block in which there is something; both null if
// there is nothing.
type Seen struct {
	First *uint64 `json:"first_block"`
	Last  *uint64 `json:"last_block"`
}

// hexAddress writes an address in lower case, as all answers have it.
func hexAddress(a common.Address) string { return hexutil.Encode(a[:]) }

func (h *Handler) address(ctx context.Context, q *question) (any, error) {
	a := q.pathAddress()
	if err := q.done(); err != nil {
		return nil, err
	}
	v := Address{Address: a}
	created, err := h.Store.CreationOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if created != nil {
		t := newTransaction(created)
		v.Created = &t
	}
	token, err := h.Store.Token(ctx, a)
	switch {
	case err == nil:
		t := newToken(token)
		v.Token = &t
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	for _, ends := range []struct {
		seen *Seen
		end  func(store.Range) (*uint64, error)
	}{
		{&v.Transactions, func(r store.Range) (*uint64, error) {
			rows, err := h.Store.TransactionsOf(ctx, a, r)
			return firstBlock(rows, func(t *store.TransactionSummary) uint64 { return t.Position.Block }), err
		}},
		{&v.Logs, func(r store.Range) (*uint64, error) {
			rows, err := h.Store.LogSummaries(ctx, &a, nil, r)
			return firstBlock(rows, func(l *store.LogSummary) uint64 { return l.Position.Block }), err
		}},
		{&v.Transfers, func(r store.Range) (*uint64, error) {
			rows, err := h.Store.TransferSummaries(ctx, nil, &a, r)
			return firstBlock(rows, func(t *store.TransferSummary) uint64 { return t.Position.Block }), err
		}},
	} {
		lowest := store.Everything(1)
		lowest.Ascending = true
		if ends.seen.First, err = ends.end(lowest); err != nil {
			return nil, err
		}
		if ends.seen.Last, err = ends.end(store.Everything(1)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// firstBlock is the block of the first row, nil if there is none.
func firstBlock[R any](rows []R, block func(*R) uint64) *uint64 {
	if len(rows) == 0 {
		return nil
	}
	n := block(&rows[0])
	return &n
}
