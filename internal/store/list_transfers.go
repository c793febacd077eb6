package store

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A TransferSummary is a token transfer with what it is found by.
type TransferSummary struct {
	Position    Position    // of the log, and in its batch
	Timestamp   uint64      // of the block, unix seconds
	Transaction common.Hash // that made it
	chain.Transfer
}

type transferSummaryRow struct {
	standard uint64
	TransferSummary
}

func transferSummaryColumns(r *transferSummaryRow) []column {
	return []column{
		{"f.block_number", integer{&r.Position.Block}},
		{"f.log_index", integer{&r.Position.Index}},
		{"f.batch_index", integer{&r.Position.Batch}},
		{"f.standard", integer{&r.standard}},
		{"b.timestamp", integer{&r.Timestamp}},
		{"t.hash", fixed(r.Transaction[:])},
		{"f.token", fixed(r.Token[:])},
		{"f.from_address", fixed(r.From[:])},
		{"f.to_address", fixed(r.To[:])},
		{"f.token_id", optDecimal{&r.TokenID}},
		{"f.amount", decimal{&r.Amount}},
	}
}

var transferOrder = []string{"f.block_number", "f.log_index", "f.batch_index"}

// TransferSummaries lists token transfers: of a token, and from or to an
// account, where those are not nil; then it fails with [ErrUnindexed] during the
// first sync.
func (r *Reader) TransferSummaries(ctx context.Context, token, account *common.Address, which Range) ([]TransferSummary, error) {
	if token != nil || account != nil {
		if err := r.mustBeIndexed(ctx); err != nil {
			return nil, err
		}
	}
	low, high := which.From, which.To
	where, args := `f.block_number BETWEEN ? AND ?`, []any(nil)
	if after := which.After; after != nil {
		compare := `<`
		if which.Ascending {
			compare, low = `>`, max(low, after.Block)
		} else {
			high = min(high, after.Block)
		}
		where += ` AND (f.block_number, f.log_index, f.batch_index) ` + compare + ` (?, ?, ?)`
		args = []any{clamp(after.Block), clamp(after.Index), clamp(after.Batch)}
	}
	args = append([]any{clamp(low), clamp(high)}, args...)
	if token != nil {
		where, args = where+` AND f.token = ?`, append(args, token[:])
	}
	if account == nil {
		return r.transferSummaries(ctx, `transfers f`, where, which, args...)
	}
	side := func(column string) string {
		return `SELECT * FROM (SELECT * FROM transfers f WHERE ` + where + ` AND f.` + column + ` = ? ORDER BY ` +
			which.order(transferOrder...) + ` LIMIT ?)`
	}
	args = append(args, account[:], which.Limit)
	return r.transferSummaries(ctx, `(`+side("from_address")+` UNION `+side("to_address")+`) f`, `TRUE`, which, append(args, args...)...)
}

func (r *Reader) transferSummaries(ctx context.Context, from, where string, which Range, args ...any) ([]TransferSummary, error) {
	rows, err := listRows(ctx, r, transferSummaryColumns, `FROM `+from+` JOIN blocks b ON b.number = +f.block_number
		JOIN transactions t ON t.id = (f.block_number << 24) + f.transaction_index
		WHERE `+where+` ORDER BY `+which.order(transferOrder...)+` LIMIT ?`, append(args, which.Limit)...)
	if err != nil {
		return nil, err
	}
	found := make([]TransferSummary, len(rows))
	for i := range rows {
		found[i] = rows[i].TransferSummary
		found[i].Batch = int(found[i].Position.Batch)
		found[i].Standard = int(rows[i].standard)
	}
	return found, nil
}
