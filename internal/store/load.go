package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// Block loads a whole block as it was when it was decoded and verified. It is
// [ErrNotFound] if the block is not stored.
func (r *Reader) Block(ctx context.Context, number uint64) (*chain.Block, error) {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	l, err := loadBlock(ctx, tx, number)
	if err != nil {
		return nil, err
	}
	return l.block, l.block.Restore()
}

// A loaded is a block with the rows that it was made of.
type loaded struct {
	block *chain.Block

	row         blockRow
	txs         []transactionRow
	logs        []logRow
	withdrawals []withdrawalRow
	uncles      []uncleRow
}

func loadBlock(ctx context.Context, tx *sql.Tx, number uint64) (*loaded, error) {
	l := &loaded{block: new(chain.Block)}
	columns := blockColumns(&l.row)
	err := tx.QueryRowContext(ctx, selectFrom("blocks", columns, "number = ?"), clamp(number)).Scan(places(columns)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("block %d: %w", number, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", number, explain(err))
	}
	l.block.Header, l.block.Verdict = l.row.Header, l.row.verdict
	for _, load := range []func(context.Context, *sql.Tx) error{
		l.loadTransactions, l.loadLogs, l.loadWithdrawals, l.loadUncles,
	} {
		if err := load(ctx, tx); err != nil {
			return nil, fmt.Errorf("block %d: %w", number, explain(err))
		}
	}
	return l, l.assemble()
}

func (l *loaded) loadTransactions(ctx context.Context, tx *sql.Tx) (err error) {
	l.txs, err = loadRows(ctx, tx, "transactions", transactionColumns, l.block.Number)
	l.block.Transactions = make([]chain.Transaction, len(l.txs))
	for i := range l.txs {
		l.block.Transactions[i] = l.txs[i].Transaction
		l.block.Transactions[i].Receipt.LogsBloom = l.txs[i].bloom
		l.block.Transactions[i].Receipt.Logs = []chain.Log{}
	}
	return err
}

func (l *loaded) loadLogs(ctx context.Context, tx *sql.Tx) (err error) {
	l.logs, err = loadRows(ctx, tx, "logs", logColumns, l.block.Number)
	return err
}

func (l *loaded) loadWithdrawals(ctx context.Context, tx *sql.Tx) (err error) {
	l.withdrawals, err = loadRows(ctx, tx, "withdrawals", withdrawalColumns, l.block.Number)
	if l.row.withdrawals != nil {
		l.block.Withdrawals = []chain.Withdrawal{}
	}
	for i := range l.withdrawals {
		l.block.Withdrawals = append(l.block.Withdrawals, l.withdrawals[i].Withdrawal)
	}
	return err
}

func (l *loaded) loadUncles(ctx context.Context, tx *sql.Tx) (err error) {
	l.uncles, err = loadRows(ctx, tx, "uncles", uncleColumns, l.block.Number)
	l.block.Uncles = make([]chain.Header, len(l.uncles))
	l.block.UncleHashes = make([]common.Hash, len(l.uncles))
	for i := range l.uncles {
		l.block.Uncles[i], l.block.UncleHashes[i] = l.uncles[i].Header, l.uncles[i].Hash
	}
	return err
}

// assemble gives each log to its transaction.
func (l *loaded) assemble() error {
	for i := range l.logs {
		row := &l.logs[i]
		if row.transaction >= uint64(len(l.txs)) {
			return fmt.Errorf("block %d: log %d is of transaction %d of %d", l.block.Number, i, row.transaction, len(l.txs))
		}
		row.Topics = given(row.topics)
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

// loadRows reads the rows of a table that are inside a block.
func loadRows[T any](ctx context.Context, tx *sql.Tx, table string, columns func(*T) []column, number uint64) ([]T, error) {
	var row, blank T
	bound := columns(&row)
	key := bound[0].name // id
	rows, err := tx.QueryContext(ctx, selectFrom(table, bound, key+" BETWEEN ? AND ? ORDER BY "+key),
		firstID(number), lastID(number))
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
