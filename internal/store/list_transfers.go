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
	logID, batch, standard uint64
	TransferSummary
}

func transferSummaryColumns(r *transferSummaryRow) []column {
	return []column{
		{"f.log_id", integer{&r.logID}},
		{"f.batch_index", integer{&r.batch}},
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

// TransferSummaries lists token transfers: of a token, and from or to an
// account, where those are not nil; then it fails with [ErrUnindexed] during the
// first sync.
func (r *Reader) TransferSummaries(ctx context.Context, token, account *common.Address, which Range) ([]TransferSummary, error) {
	if token != nil || account != nil {
		if err := r.mustBeIndexed(ctx); err != nil {
			return nil, err
		}
	}
	within, where, args := which, `f.id BETWEEN ? AND ?`, []any(nil)
	within.After = nil
	if after := which.After; after != nil { // in its block, the place among the transfers is not known
		compare := `<`
		if which.Ascending {
			compare, within.From = `>`, max(which.From, after.Block)
		} else {
			within.To = min(which.To, after.Block)
		}
		where, args = where+` AND (f.log_id, f.batch_index) `+compare+` (?, ?)`, []any{after.id(), int64(after.Batch)}
	}
	low, high := within.ids()
	args = append([]any{low, high}, args...)
	if token != nil {
		where, args = where+` AND f.token = ?`, append(args, token[:])
	}
	if account == nil {
		return r.transferSummaries(ctx, `transfers f`, where, which, args...)
	}
	side := func(column string) string {
		return `SELECT * FROM (SELECT * FROM transfers f WHERE ` + where + ` AND f.` + column + ` = ? ORDER BY ` +
			which.order("f.id") + ` LIMIT ?)`
	}
	args = append(args, account[:], which.Limit)
	return r.transferSummaries(ctx, `(`+side("from_address")+` UNION `+side("to_address")+`) f`, `TRUE`, which, append(args, args...)...)
}

func (r *Reader) transferSummaries(ctx context.Context, from, where string, which Range, args ...any) ([]TransferSummary, error) {
	rows, err := listRows(ctx, r, transferSummaryColumns, `FROM `+from+` JOIN blocks b ON b.number = f.id >> 24
		JOIN logs l ON l.id = f.log_id
		JOIN transactions t ON t.id = (f.id >> 24 << 24) + l.transaction_index
		WHERE `+where+` ORDER BY `+which.order("f.id")+` LIMIT ?`, append(args, which.Limit)...)
	if err != nil {
		return nil, err
	}
	found := make([]TransferSummary, len(rows))
	for i := range rows {
		found[i] = rows[i].TransferSummary
		found[i].Position = positionOf(rows[i].logID)
		found[i].Position.Batch, found[i].Batch = rows[i].batch, int(rows[i].batch)
		found[i].Standard = int(rows[i].standard)
	}
	return found, nil
}
