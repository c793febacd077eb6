package store

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// A Summary is what is said of one stored block in a list.
type Summary struct {
	Number        uint64
	Hash          common.Hash
	ParentHash    common.Hash
	Miner         common.Address
	Timestamp     uint64 // unix seconds, as the header has it
	GasUsed       uint64
	GasLimit      uint64
	BaseFeePerGas *uint256.Int // wei; nil before EIP-1559
	Size          *uint64      // bytes of RLP; nil if the node did not tell
	Transactions  int
	Logs          int
	Uncles        int
	Withdrawals   *uint64 // nil before EIP-4895
	Verdict       chain.Verdict
	IndexedAt     time.Time
}

func summaryColumns(s *Summary) []column {
	return []column{
		{"number", integer{&s.Number}},
		{"hash", fixed(s.Hash[:])},
		{"parent_hash", fixed(s.ParentHash[:])},
		{"miner", fixed(s.Miner[:])},
		{"timestamp", integer{&s.Timestamp}},
		{"gas_used", integer{&s.GasUsed}},
		{"gas_limit", integer{&s.GasLimit}},
		{"base_fee_per_gas", optDecimal{&s.BaseFeePerGas}},
		{"size", optInteger{&s.Size}},
		{"transaction_count", &s.Transactions},
		{"log_count", &s.Logs},
		{"uncle_count", &s.Uncles},
		{"withdrawal_count", optInteger{&s.Withdrawals}},
		{"checks_passed", checks{&s.Verdict.Passed}},
		{"checks_not_computable", checks{&s.Verdict.NotComputable}},
		{"checks_failed", checks{&s.Verdict.Failed}},
		{"indexed_at", milliseconds{&s.IndexedAt}},
	}
}

// Summaries lists stored blocks. Missing ones are left out: see Coverage.
func (r *Reader) Summaries(ctx context.Context, which Range) ([]Summary, error) {
	low, high := which.numbers()
	return listRows(ctx, r, summaryColumns, `FROM blocks WHERE number BETWEEN ? AND ? ORDER BY `+which.order("number")+` LIMIT ?`,
		low, high, which.Limit)
}

// Latest gives the summary of the highest stored block, nil if there is none.
func (r *Reader) Latest(ctx context.Context) (*Summary, error) {
	found, err := r.Summaries(ctx, Everything(1))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Summary gives the summary of a stored block; [ErrNotFound] if it is not
// stored.
func (v *View) Summary(number uint64) (*Summary, error) {
	s := new(Summary)
	return s, v.get(summaryQuery, []any{clamp(number)}, places(summaryColumns(s))...)
}

var summaryQuery = selectFrom("blocks", summaryColumns(new(Summary)), "number = ?")
