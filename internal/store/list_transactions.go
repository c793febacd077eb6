package store

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A TransactionSummary is what is said of one transaction in a list.
type TransactionSummary struct {
	Position  Position
	Timestamp uint64 // of the block, unix seconds
	Hash      common.Hash
	Type      uint64 // EIP-2718
	From      common.Address
	To        *common.Address // nil for a creation
	Contract  *common.Address // that was created
	Value     uint256.Int     // wei
	Nonce     uint64
	GasUsed   uint64
	Price     *uint256.Int // wei per gas that was paid; nil if the node did not tell
	Status    *uint64      // 1 or 0; nil before Byzantium
	Selector  []byte       // first 4 bytes of the input, or fewer
	Input     int          // bytes
	Logs      int
}

// A transactionSummaryRow has the id beside the summary.
type transactionSummaryRow struct {
	id uint64
	TransactionSummary
}

func transactionSummaryColumns(r *transactionSummaryRow) []column {
	return []column{
		{"t.id", integer{&r.id}},
		{"b.timestamp", integer{&r.Timestamp}},
		{"t.hash", fixed(r.Hash[:])},
		{"t.type", integer{&r.Type}},
		{"t.from_address", fixed(r.From[:])},
		{"t.to_address", optFixed[common.Address]{&r.To}},
		{"t.contract_address", optFixed[common.Address]{&r.Contract}},
		{"t.value", decimal{&r.Value}},
		{"t.nonce", integer{&r.Nonce}},
		{"t.gas_used", integer{&r.GasUsed}},
		{"t.effective_gas_price", optDecimal{&r.Price}},
		{"t.status", optInteger{&r.Status}},
		{"substr(t.input, 1, 4)", blob{&r.Selector}},
		{"length(t.input)", &r.Input},
		{"t.log_count", &r.Logs},
	}
}

const transactionsAndBlocks = `FROM transactions t JOIN blocks b ON b.number = t.block_number `

// TransactionSummaries lists transactions.
func (r *Reader) TransactionSummaries(ctx context.Context, which Range) ([]TransactionSummary, error) {
	low, high := which.ids()
	return r.transactionSummaries(ctx, which, `t.id BETWEEN ? AND ?`, low, high)
}

// TransactionsOf lists the transactions that an address sent or received, and
// the one that created it. It fails with [ErrUnindexed] during the first sync.
func (r *Reader) TransactionsOf(ctx context.Context, a common.Address, which Range) ([]TransactionSummary, error) {
	if err := r.mustBeIndexed(ctx); err != nil {
		return nil, err
	}
	low, high := which.ids()
	var args []any
	columns := []string{"from_address", "to_address", "contract_address"}
	for range columns {
		args = append(args, a[:], low, high, which.Limit)
	}
	return r.transactionSummaries(ctx, which, `t.id IN (`+anyOf(which, "transactions", "id", columns...)+`)`, args...)
}

// CreationOf gives the transaction that created a contract, the last one if it
// was created anew; nil if none is stored that did. It fails with [ErrUnindexed]
// during the first sync.
func (r *Reader) CreationOf(ctx context.Context, a common.Address) (*TransactionSummary, error) {
	if err := r.mustBeIndexed(ctx); err != nil {
		return nil, err
	}
	found, err := r.transactionSummaries(ctx, Everything(1),
		`t.contract_address = ? AND (t.status IS NULL OR t.status = 1)`, a[:])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (r *Reader) transactionSummaries(ctx context.Context, which Range, where string, args ...any) ([]TransactionSummary, error) {
	rows, err := listRows(ctx, r, transactionSummaryColumns,
		transactionsAndBlocks+`WHERE `+where+` ORDER BY `+which.order("t.id")+` LIMIT ?`, append(args, which.Limit)...)
	if err != nil {
		return nil, err
	}
	found := make([]TransactionSummary, len(rows))
	for i := range rows {
		found[i] = rows[i].TransactionSummary
		found[i].Position = positionOf(rows[i].id)
	}
	return found, nil
}
