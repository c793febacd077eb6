package rest

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A Transfer is a token transfer in a list.
type Transfer struct {
	Block       uint64         `json:"block_number"`
	LogIndex    uint64         `json:"log_index"`
	BatchIndex  uint64         `json:"batch_index"` // in an ERC-1155 batch, else 0
	Timestamp   uint64         `json:"timestamp"`   // of the block, unix seconds
	Transaction common.Hash    `json:"transaction_hash"`
	Standard    int            `json:"standard"` // 20, 721 or 1155
	Token       common.Address `json:"token"`
	From        common.Address `json:"from"`
	To          common.Address `json:"to"`
	TokenID     string         `json:"token_id,omitempty"` // decimal; absent for ERC-20
	Amount      string         `json:"amount"`             // decimal, in the token's smallest unit
}

func newTransfer(t *store.TransferSummary) Transfer {
	v := Transfer{
		Block: t.Position.Block, LogIndex: t.Position.Index, BatchIndex: t.Position.Batch, Timestamp: t.Timestamp,
		Transaction: t.Transaction, Standard: t.Standard, Token: t.Token, From: t.From, To: t.To, Amount: t.Amount.Dec(),
	}
	if t.TokenID != nil {
		v.TokenID = t.TokenID.Dec()
	}
	return v
}

func (h *Handler) transfers(ctx context.Context, q *question) (any, error) {
	which, token, address := q.rows(), q.address("token"), q.address("address")
	if err := q.done(); err != nil {
		return nil, err
	}
	list := func(ctx context.Context, r store.Range) ([]store.TransferSummary, error) {
		return h.Store.TransferSummaries(ctx, token, address, r)
	}
	return rangePage(ctx, h, which, list, newTransfer, func(t *store.TransferSummary) store.Position { return t.Position })
}
