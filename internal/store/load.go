package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// Block loads a whole block as it was when it was decoded and verified. It is
// [ErrNotFound] if the block is not stored.
func (r *Reader) Block(ctx context.Context, number uint64) (*chain.Block, error) {
	var b *chain.Block
	err := r.View(ctx, func(v *View) (err error) {
		b, err = v.Block(number, PartAll)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, b.Restore()
}

// A loaded is a block with the rows that it was made of.
type loaded struct {
	block *chain.Block

	row         blockRow
	txs         []transactionRow
	logs        []logRow
	withdrawals []withdrawalRow
	uncles      []uncleRow

	// what a check of the block has found
	made           bool // whether the checks of the chain were
	findings       []chain.Finding
	otherTransfers bool // than those of the logs
}

// loadBlocks reads the rows of the stored blocks from first to last, in order.
// They are not assembled yet.
func loadBlocks(ctx context.Context, tx *sql.Tx, first, last uint64) ([]*loaded, error) {
	blocks, err := loadRows(ctx, tx, "blocks", blockColumns, first, last)
	if err != nil {
		return nil, err
	}
	txs, err := loadRows(ctx, tx, "transactions", transactionColumns, first, last)
	if err != nil {
		return nil, err
	}
	logs, err := loadRows(ctx, tx, "logs", logColumns, first, last)
	if err != nil {
		return nil, err
	}
	withdrawals, err := loadRows(ctx, tx, "withdrawals", withdrawalColumns, first, last)
	if err != nil {
		return nil, err
	}
	uncles, err := loadRows(ctx, tx, "uncles", uncleColumns, first, last)
	if err != nil {
		return nil, err
	}
	all := make([]*loaded, len(blocks))
	for i := range blocks {
		n := blocks[i].Number
		all[i] = &loaded{
			block: new(chain.Block), row: blocks[i],
			txs:         take(&txs, n, func(r *transactionRow) uint64 { return positionOf(r.id).Block }),
			logs:        take(&logs, n, func(r *logRow) uint64 { return positionOf(r.id).Block }),
			withdrawals: take(&withdrawals, n, func(r *withdrawalRow) uint64 { return r.at.Block }),
			uncles:      take(&uncles, n, func(r *uncleRow) uint64 { return r.at.Block }),
		}
	}
	return all, nil
}

// take cuts off the front of rows what is in a block. What is below it is of no
// block.
func take[T any](rows *[]T, number uint64, block func(*T) uint64) []T {
	all, from := *rows, 0
	for from < len(all) && block(&all[from]) < number {
		from++
	}
	to := from
	for to < len(all) && block(&all[to]) == number {
		to++
	}
	*rows = all[to:]
	return all[from:to:to]
}

// assemble makes the block of its rows.
func (l *loaded) assemble() error {
	b := l.block
	b.Header, b.Verdict = l.row.Header, l.row.verdict
	b.Transactions = make([]chain.Transaction, len(l.txs))
	for i := range l.txs {
		b.Transactions[i] = l.txs[i].transaction()
	}
	if l.row.withdrawals != nil {
		b.Withdrawals = []chain.Withdrawal{}
	}
	for i := range l.withdrawals {
		b.Withdrawals = append(b.Withdrawals, l.withdrawals[i].Withdrawal)
	}
	b.Uncles = make([]chain.Header, len(l.uncles))
	b.UncleHashes = make([]common.Hash, len(l.uncles))
	for i := range l.uncles {
		b.Uncles[i], b.UncleHashes[i] = l.uncles[i].Header, l.uncles[i].Hash
	}
	return l.assembleLogs()
}

// assembleLogs gives each log to its transaction.
func (l *loaded) assembleLogs() error {
	for i := range l.logs {
		row := &l.logs[i]
		if row.transaction >= uint64(len(l.txs)) {
			return fmt.Errorf("block %d: log %d is of transaction %d of %d", l.block.Number, i, row.transaction, len(l.txs))
		}
		row.Log = row.log()
		receipt := &l.block.Transactions[row.transaction].Receipt
		receipt.Logs = append(receipt.Logs, row.Log)
	}
	return nil
}

// given are the topics that a log has.
func given(topics [4]*common.Hash) []common.Hash {
	given := make([]common.Hash, 0, len(topics))
	for _, topic := range topics {
		if topic != nil {
			given = append(given, *topic)
		}
	}
	return given
}

// loadRows reads the rows of a table that are in blocks from first to last, in order.
func loadRows[T any](ctx context.Context, tx *sql.Tx, table string, columns func(*T) []column, first, last uint64) ([]T, error) {
	var row, blank T
	bound := columns(&row)
	rows, err := tx.QueryContext(ctx, selectSpan(table, bound), clamp(first), clamp(last))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", table, err)
	}
	defer rows.Close()
	at := places(bound)
	var all []T
	for rows.Next() {
		row = blank
		if err := rows.Scan(at...); err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
