package rest

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A Block is what is said of a stored block in a list.
type Block struct {
	Number        uint64         `json:"number"`
	Hash          common.Hash    `json:"hash"`
	ParentHash    common.Hash    `json:"parent_hash"`
	Miner         common.Address `json:"miner"`
	Timestamp     uint64         `json:"timestamp"` // unix seconds
	GasUsed       uint64         `json:"gas_used"`
	GasLimit      uint64         `json:"gas_limit"`
	BaseFeePerGas string         `json:"base_fee_per_gas,omitempty"` // wei, decimal
	Size          *uint64        `json:"size,omitempty"`             // bytes
	Transactions  int            `json:"transaction_count"`
	Logs          int            `json:"log_count"`
	Uncles        int            `json:"uncle_count"`
	Withdrawals   *uint64        `json:"withdrawal_count,omitempty"`
	Checks        Checks         `json:"checks"`
	IndexedAt     time.Time      `json:"indexed_at"`
}

// Checks are the outcome of a block's verification. A check that is nowhere was
// not made.
type Checks struct {
	Passed        []string `json:"passed"`
	NotComputable []string `json:"not_computable,omitempty"`
	Failed        []string `json:"failed,omitempty"`
}

// NewChecks puts a verdict into words.
func NewChecks(v chain.Verdict) Checks {
	return Checks{Passed: v.Passed.Names(), NotComputable: v.NotComputable.Names(), Failed: v.Failed.Names()}
}

func newBlock(s *store.Summary) Block {
	b := Block{
		Number: s.Number, Hash: s.Hash, ParentHash: s.ParentHash, Miner: s.Miner, Timestamp: s.Timestamp,
		GasUsed: s.GasUsed, GasLimit: s.GasLimit, Size: s.Size,
		Transactions: s.Transactions, Logs: s.Logs, Uncles: s.Uncles, Withdrawals: s.Withdrawals,
		Checks: NewChecks(s.Verdict), IndexedAt: s.IndexedAt.UTC(),
	}
	if s.BaseFeePerGas != nil {
		b.BaseFeePerGas = s.BaseFeePerGas.Dec()
	}
	return b
}

func (h *Handler) blocks(ctx context.Context, q *question) (any, error) {
	which := q.rows()
	if err := q.done(); err != nil {
		return nil, err
	}
	return rangePage(ctx, h, which, h.Store.Summaries, newBlock, func(s *store.Summary) store.Position {
		return store.Position{Block: s.Number}
	})
}
