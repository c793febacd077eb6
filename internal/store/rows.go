package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"gapless/internal/chain"
)

// A rowWriter writes rows of one table from one place in memory. It talks to
// the driver itself: database/sql would look at each value once more.
type rowWriter[T any] struct {
	value     T
	columns   []driver.Valuer
	args      []driver.NamedValue
	conn      *sql.Conn
	statement driver.Stmt // nil before prepare
}

func (r *rowWriter[T]) prepare(ctx context.Context, conn *sql.Conn, table string, columns func(*T) []column) error {
	bound := columns(&r.value)
	for i, c := range bound {
		r.columns = append(r.columns, c.at.(driver.Valuer))
		r.args = append(r.args, driver.NamedValue{Ordinal: i + 1})
	}
	r.conn = conn
	return conn.Raw(func(raw any) (err error) {
		r.statement, err = raw.(driver.ConnPrepareContext).PrepareContext(ctx, insertInto(table, bound))
		return err
	})
}

func (r *rowWriter[T]) write(v T) (err error) {
	r.value = v
	for i, c := range r.columns {
		if r.args[i].Value, err = c.Value(); err != nil {
			return err
		}
	}
	return r.conn.Raw(r.exec)
}

// exec is for Raw, under whose lock it runs.
func (r *rowWriter[T]) exec(any) error {
	_, err := r.statement.(driver.StmtExecContext).ExecContext(context.Background(), r.args)
	return err
}

func (r *rowWriter[T]) close() {
	if r.statement != nil {
		_ = r.conn.Raw(func(any) error { return r.statement.Close() })
	}
}

// rows are the writers of the tables that make a block.
type rows struct {
	blocks       rowWriter[blockRow]
	uncles       rowWriter[uncleRow]
	transactions rowWriter[transactionRow]
	logs         rowWriter[logRow]
	withdrawals  rowWriter[withdrawalRow]
	transfers    rowWriter[transferRow]
}

func (r *rows) prepare(ctx context.Context, conn *sql.Conn) error {
	return errors.Join(
		r.blocks.prepare(ctx, conn, "blocks", blockColumns),
		r.uncles.prepare(ctx, conn, "uncles", uncleColumns),
		r.transactions.prepare(ctx, conn, "transactions", transactionColumns),
		r.logs.prepare(ctx, conn, "logs", logColumns),
		r.withdrawals.prepare(ctx, conn, "withdrawals", withdrawalColumns),
		r.transfers.prepare(ctx, conn, "transfers", transferColumns),
	)
}

func (r *rows) close() {
	r.blocks.close()
	r.uncles.close()
	r.transactions.close()
	r.logs.close()
	r.withdrawals.close()
	r.transfers.close()
}

// insert writes a block with all that is in it. at is in unix milliseconds.
func (r *rows) insert(b *chain.Block, at int64) error {
	row := blockRow{
		Header: b.Header, transactions: uint64(len(b.Transactions)), uncles: uint64(len(b.Uncles)),
		verdict: b.Verdict, indexedAt: uint64(at),
	}
	if b.Withdrawals != nil {
		count := uint64(len(b.Withdrawals))
		row.withdrawals = &count
	}
	for i := range b.Transactions {
		if err := r.insertTransaction(b, i, &row.logs); err != nil {
			return fmt.Errorf("block %d: transaction %d: %w", b.Number, i, err)
		}
	}
	if err := r.insertParts(b); err != nil {
		return fmt.Errorf("block %d: %w", b.Number, err)
	}
	if err := r.blocks.write(row); err != nil {
		return fmt.Errorf("block %d: %w", b.Number, err)
	}
	return nil
}

// insertParts writes the withdrawals and uncles.
func (r *rows) insertParts(b *chain.Block) error {
	for i := range b.Withdrawals {
		id, err := rowID(b.Number, i)
		if err == nil {
			err = r.withdrawals.write(withdrawalRow{id: id, Withdrawal: b.Withdrawals[i]})
		}
		if err != nil {
			return fmt.Errorf("withdrawal %d: %w", i, err)
		}
	}
	for i := range b.Uncles {
		id, err := rowID(b.Number, i)
		if err == nil {
			err = r.uncles.write(uncleRow{id: id, Header: b.Uncles[i]})
		}
		if err != nil {
			return fmt.Errorf("uncle %d: %w", i, err)
		}
	}
	return nil
}

// insertTransaction writes a transaction with its logs, and counts them.
func (r *rows) insertTransaction(b *chain.Block, i int, logs *uint64) error {
	tx := &b.Transactions[i]
	id, err := rowID(b.Number, i)
	if err != nil {
		return err
	}
	row := transactionRow{id: id, Transaction: *tx, logs: uint64(len(tx.Receipt.Logs))}
	if b.Verdict.Passed&chain.LogsBloom == 0 {
		row.bloom = tx.Receipt.LogsBloom
	}
	if err := r.transactions.write(row); err != nil {
		return err
	}
	for j := range tx.Receipt.Logs {
		if err := r.insertLog(b.Number, int(*logs), i, &tx.Receipt.Logs[j]); err != nil {
			return fmt.Errorf("log %d: %w", j, err)
		}
		*logs++
	}
	return nil
}

func (r *rows) insertLog(number uint64, index, transaction int, log *chain.Log) error {
	id, err := rowID(number, index)
	if err != nil {
		return err
	}
	row := logRow{id: id, transaction: uint64(transaction), Log: *log}
	for k := range log.Topics {
		row.topics[k] = &log.Topics[k]
	}
	if err := r.logs.write(row); err != nil {
		return err
	}
	for _, t := range log.Transfers() {
		err := r.transfers.write(transferRow{
			logID: id, batch: uint64(t.Batch), standard: uint64(t.Standard), Transfer: t,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
