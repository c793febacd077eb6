package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"gapless/internal/chain"
)

// A rowWriter writes rows of one table from one place in memory. It talks to
// the driver itself: database/sql would look at each value once more. What is
// NULL in a row is not in its statement: to bind it costs as much as a value.
type rowWriter[T any] struct {
	value   T
	table   string
	columns []column
	values  []driver.Valuer // those of columns
	args    []driver.NamedValue

	statements map[uint64]driver.Stmt // by the columns that are NULL, a bit each
}

// mostStatements is how many statements a rowWriter keeps. A chain has
// transactions of some kinds; it may try to have more.
const mostStatements = 32

func newRowWriter[T any](table string, columns func(*T) []column) *rowWriter[T] {
	r := &rowWriter[T]{table: table, statements: make(map[uint64]driver.Stmt)}
	r.columns = columns(&r.value)
	for _, c := range r.columns {
		r.values = append(r.values, c.at.(driver.Valuer))
	}
	return r
}

// write writes a row on a connection, which is always the same.
func (r *rowWriter[T]) write(conn driver.Conn, v T) error {
	r.value, r.args = v, r.args[:0]
	null := uint64(0)
	for i, c := range r.values {
		value, err := c.Value()
		if err != nil {
			return err
		}
		if value == nil {
			null |= 1 << i
			continue
		}
		r.args = append(r.args, driver.NamedValue{Ordinal: len(r.args) + 1, Value: value})
	}
	s, err := r.statement(conn, null)
	if err == nil {
		_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), r.args)
	}
	return err
}

// statement gives the statement for rows in which some columns are NULL.
func (r *rowWriter[T]) statement(conn driver.Conn, null uint64) (driver.Stmt, error) {
	if s, ok := r.statements[null]; ok {
		return s, nil
	}
	if len(r.statements) == mostStatements {
		r.close()
	}
	var given []column
	for i, c := range r.columns {
		if null&(1<<i) == 0 {
			given = append(given, c)
		}
	}
	s, err := conn.(driver.ConnPrepareContext).PrepareContext(context.Background(), insertInto(r.table, given))
	if err == nil {
		r.statements[null] = s
	}
	return s, err
}

func (r *rowWriter[T]) close() {
	for _, s := range r.statements {
		_ = s.Close()
	}
	clear(r.statements)
}

// rows are the writers of the tables that make a block, on one connection.
type rows struct {
	conn         *sql.Conn
	blocks       *rowWriter[blockRow]
	uncles       *rowWriter[uncleRow]
	transactions *rowWriter[transactionRow]
	logs         *rowWriter[logRow]
	withdrawals  *rowWriter[withdrawalRow]
	transfers    *rowWriter[transferRow]
}

func newRows(conn *sql.Conn) *rows {
	return &rows{
		conn:         conn,
		blocks:       newRowWriter("blocks", blockColumns),
		uncles:       newRowWriter("uncles", uncleColumns),
		transactions: newRowWriter("transactions", transactionColumns),
		logs:         newRowWriter("logs", logColumns),
		withdrawals:  newRowWriter("withdrawals", withdrawalColumns),
		transfers:    newRowWriter("transfers", transferColumns),
	}
}

// close closes the statements. The connection is its owner's.
func (r *rows) close() {
	if r == nil {
		return
	}
	_ = r.conn.Raw(func(any) error { // fails if the connection has been closed, and they with it
		r.blocks.close()
		r.uncles.close()
		r.transactions.close()
		r.logs.close()
		r.withdrawals.close()
		r.transfers.close()
		return nil
	})
}

// insert writes a block with all that is in it. at is in unix milliseconds.
func (r *rows) insert(b *chain.Block, at int64) error {
	return r.conn.Raw(func(raw any) error {
		if err := (&insertion{rows: r, raw: raw.(driver.Conn), b: b}).insert(at); err != nil {
			return fmt.Errorf("block %d: %w", b.Number, err)
		}
		return nil
	})
}

// An insertion is of one block.
type insertion struct {
	*rows
	raw driver.Conn
	b   *chain.Block

	logCount int // so far
}

func (n *insertion) insert(at int64) error {
	for i := range n.b.Transactions {
		if err := n.transaction(i); err != nil {
			return fmt.Errorf("transaction %d: %w", i, err)
		}
	}
	if err := n.parts(); err != nil {
		return err
	}
	row := blockRow{
		Header: n.b.Header, transactions: uint64(len(n.b.Transactions)), logs: uint64(n.logCount), uncles: uint64(len(n.b.Uncles)),
		verdict: n.b.Verdict, indexedAt: uint64(at),
	}
	if n.b.Withdrawals != nil {
		count := uint64(len(n.b.Withdrawals))
		row.withdrawals = &count
	}
	return n.blocks.write(n.raw, row)
}

// at is a place in the block.
func (n *insertion) at(index int) Position { return Position{Block: n.b.Number, Index: uint64(index)} }

// parts writes the withdrawals and uncles.
func (n *insertion) parts() error {
	for i := range n.b.Withdrawals {
		if err := n.withdrawals.write(n.raw, withdrawalRow{at: n.at(i), Withdrawal: n.b.Withdrawals[i]}); err != nil {
			return fmt.Errorf("withdrawal %d: %w", i, err)
		}
	}
	for i := range n.b.Uncles {
		if err := n.uncles.write(n.raw, uncleRow{at: n.at(i), Header: n.b.Uncles[i]}); err != nil {
			return fmt.Errorf("uncle %d: %w", i, err)
		}
	}
	return nil
}

// transaction writes a transaction with its logs.
func (n *insertion) transaction(i int) error {
	tx := &n.b.Transactions[i]
	id, err := rowID(n.b.Number, i)
	if err != nil {
		return err
	}
	row := transactionRow{id: id, Transaction: *tx, logs: uint64(len(tx.Receipt.Logs))}
	if n.b.Verdict.Passed&chain.LogsBloom == 0 {
		row.bloom = tx.Receipt.LogsBloom
	}
	if err := n.transactions.write(n.raw, row); err != nil {
		return err
	}
	for j := range tx.Receipt.Logs {
		if err := n.log(i, &tx.Receipt.Logs[j]); err != nil {
			return fmt.Errorf("log %d: %w", j, err)
		}
	}
	return nil
}

// log writes a log of a transaction with its transfers.
func (n *insertion) log(transaction int, log *chain.Log) error {
	id, err := rowID(n.b.Number, n.logCount)
	if err != nil {
		return err
	}
	row := logRow{id: id, transaction: uint64(transaction), Log: *log}
	for k := range log.Topics {
		row.topics[k] = &log.Topics[k]
	}
	if err := n.logs.write(n.raw, row); err != nil {
		return err
	}
	for _, t := range log.Transfers() {
		if err := n.transfers.write(n.raw, transferOf(&row, t)); err != nil {
			return err
		}
	}
	n.logCount++
	return nil
}

// transferOf is the row of a transfer that a log tells of.
func transferOf(log *logRow, t chain.Transfer) transferRow {
	at := positionOf(log.id)
	at.Batch = uint64(t.Batch)
	return transferRow{at: at, transaction: log.transaction, standard: uint64(t.Standard), Transfer: t}
}
