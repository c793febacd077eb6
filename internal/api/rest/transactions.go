package rest

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// A Transaction is what is said of a transaction in a list.
type Transaction struct {
	Block      uint64          `json:"block_number"`
	Index      uint64          `json:"transaction_index"`
	Timestamp  uint64          `json:"timestamp"` // of the block, unix seconds
	Hash       common.Hash     `json:"hash"`
	Type       uint64          `json:"type"`
	From       common.Address  `json:"from"`
	To         *common.Address `json:"to"`                         // null for a creation
	Contract   *common.Address `json:"contract_address,omitempty"` // that it created
	Value      string          `json:"value"`                      // wei, decimal
	Nonce      uint64          `json:"nonce"`
	GasUsed    uint64          `json:"gas_used"`
	GasPrice   string          `json:"effective_gas_price,omitempty"` // wei, decimal
	Status     *uint64         `json:"status"`                        // 1, 0, or null before Byzantium
	Selector   hexutil.Bytes   `json:"selector"`                      // first bytes of the input
	InputBytes int             `json:"input_bytes"`
	Logs       int             `json:"log_count"`
}

func newTransaction(t *store.TransactionSummary) Transaction {
	v := Transaction{
		Block: t.Position.Block, Index: t.Position.Index, Timestamp: t.Timestamp, Hash: t.Hash, Type: t.Type,
		From: t.From, To: t.To, Contract: t.Contract, Value: t.Value.Dec(), Nonce: t.Nonce, GasUsed: t.GasUsed,
		Status: t.Status, Selector: t.Selector, InputBytes: t.Input, Logs: t.Logs,
	}
	if t.Price != nil {
		v.GasPrice = t.Price.Dec()
	}
	return v
}

func (h *Handler) transactions(ctx context.Context, q *question) (any, error) {
	which, address := q.rows(), q.address("address")
	if err := q.done(); err != nil {
		return nil, err
	}
	list := h.Store.TransactionSummaries
	if address != nil {
		list = func(ctx context.Context, r store.Range) ([]store.TransactionSummary, error) {
			return h.Store.TransactionsOf(ctx, *address, r)
		}
	}
	return rangePage(ctx, h, which, list, newTransaction, func(t *store.TransactionSummary) store.Position { return t.Position })
}
