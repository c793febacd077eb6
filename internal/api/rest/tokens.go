package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A Token is a contract that has logged transfers.
type Token struct {
	Address       common.Address `json:"address"`
	Standard      int            `json:"standard"` // 20, 721 or 1155
	FirstTransfer uint64         `json:"first_transfer_block"`
	LastTransfer  uint64         `json:"last_transfer_block"`
}

func newToken(t *store.Token) Token {
	return Token{Address: t.Address, Standard: t.Standard, FirstTransfer: t.First.Block, LastTransfer: t.Last.Block}
}

func (h *Handler) tokens(ctx context.Context, q *question) (any, error) {
	limit, after := q.limit(), q.address("cursor")
	if err := q.done(); err != nil {
		return nil, err
	}
	found, err := h.Store.Tokens(ctx, after, limit+1)
	return newPage(found, limit, newToken, func(t *store.Token) string { return hexAddress(t.Address) }), err
}

func (h *Handler) token(ctx context.Context, q *question) (any, error) {
	address := q.pathAddress()
	if err := q.done(); err != nil {
		return nil, err
	}
	t, err := h.Store.Token(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(http.StatusNotFound, "no transfer of a token at %s is stored", hexAddress(address))
	}
	if err != nil {
		return nil, err
	}
	return newToken(t), nil
}
