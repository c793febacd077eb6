package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gapless/internal/chain"
)

// A request is one transaction for the writer.
type request struct {
	fn   func(*writer) error
	done chan error // buffered, 1
}

// write hands fn to the writer, which runs it in a transaction of its own. If
// ctx ends before the writer takes fn, nothing was written; once taken, write
// waits for the outcome whatever becomes of ctx, so that a caller never holds
// an unknown result. When it returns nil, what fn wrote is synced.
func (s *Store) write(ctx context.Context, fn func(*writer) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := request{fn: fn, done: make(chan error, 1)}
	select {
	case s.requests <- r:
		err := <-r.done
		if err == nil {
			s.tell()
		}
		return explain(err)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.quit:
		return ErrClosed
	}
}

// A writer owns the connection that writes. Its methods are for the function
// of a request, inside the transaction.
type writer struct {
	db   *sql.DB
	conn *sql.Conn

	statements map[string]*sql.Stmt
	rows       rows
}

func newWriter(ctx context.Context, db *sql.DB, conn *sql.Conn) (*writer, error) {
	w := &writer{db: db, conn: conn, statements: make(map[string]*sql.Stmt)}
	return w, w.rows.prepare(ctx, conn)
}

// run serves requests until quit is closed, then closes the connection.
func (w *writer) run(requests <-chan request, quit <-chan struct{}) {
	defer w.close()
	for {
		select {
		case r := <-requests:
			r.done <- w.transact(r.fn)
		case <-quit:
			return
		}
	}
}

// transact runs fn in a transaction. Whatever fails, none stays open; a COMMIT
// that fails is rolled back if it was not applied, so that what the file says
// is the truth.
func (w *writer) transact(fn func(*writer) error) error {
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := fn(w)
	if err == nil {
		err = w.exec(`COMMIT`)
	}
	if err != nil {
		_ = w.exec(`ROLLBACK`) // fails if SQLite has rolled back by itself
	}
	return err
}

func (w *writer) close() {
	for _, s := range w.statements {
		_ = s.Close()
	}
	w.rows.close()
	_ = w.conn.Close()
	_ = w.db.Close() // checkpoints and removes the -wal
}

// prepared gives a statement that is kept. No statement of the writer has a
// context that can end: it would cost half again, and a request that was taken
// is carried out.
func (w *writer) prepared(query string) (*sql.Stmt, error) {
	if s, ok := w.statements[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.statements[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.affect(query, args...)
	return err
}

// affect runs a statement and counts the rows that it changed.
func (w *writer) affect(query string, args ...any) (int64, error) {
	s, err := w.prepared(query)
	if err != nil {
		return 0, err
	}
	result, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// get reads one row. It reports whether there was one.
func (w *writer) get(query string, args, into []any) (bool, error) {
	s, err := w.prepared(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRow(args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// A rowWriter writes rows of one table from one place in memory.
type rowWriter[T any] struct {
	value     T
	at        []any
	statement *sql.Stmt
}

func (r *rowWriter[T]) prepare(ctx context.Context, conn *sql.Conn, table string, columns func(*T) []column) (err error) {
	bound := columns(&r.value)
	r.at = places(bound)
	r.statement, err = conn.PrepareContext(ctx, insertInto(table, bound))
	return err
}

func (r *rowWriter[T]) write(v T) error {
	r.value = v
	_, err := r.statement.Exec(r.at...)
	return err
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
	for _, s := range []*sql.Stmt{
		r.blocks.statement, r.uncles.statement, r.transactions.statement,
		r.logs.statement, r.withdrawals.statement, r.transfers.statement,
	} {
		_ = s.Close()
	}
}

// insert writes a block with all that is in it.
func (r *rows) insert(b *chain.Block) error {
	row := blockRow{
		Header: b.Header, transactions: uint64(len(b.Transactions)), uncles: uint64(len(b.Uncles)),
		verdict: b.Verdict, indexedAt: uint64(now()),
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
	for i := range b.Withdrawals {
		id, err := rowID(b.Number, i)
		if err == nil {
			err = r.withdrawals.write(withdrawalRow{id: uint64(id), Withdrawal: b.Withdrawals[i]})
		}
		if err != nil {
			return fmt.Errorf("block %d: withdrawal %d: %w", b.Number, i, err)
		}
	}
	for i := range b.Uncles {
		id, err := rowID(b.Number, i)
		if err == nil {
			err = r.uncles.write(uncleRow{id: uint64(id), Header: b.Uncles[i]})
		}
		if err != nil {
			return fmt.Errorf("block %d: uncle %d: %w", b.Number, i, err)
		}
	}
	if err := r.blocks.write(row); err != nil {
		return fmt.Errorf("block %d: %w", b.Number, err)
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
	row := transactionRow{id: uint64(id), Transaction: *tx, logs: uint64(len(tx.Receipt.Logs))}
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
	row := logRow{id: uint64(id), transaction: uint64(transaction), Log: *log}
	for k := range log.Topics {
		row.topics[k] = &log.Topics[k]
	}
	if err := r.logs.write(row); err != nil {
		return err
	}
	for _, t := range log.Transfers() {
		err := r.transfers.write(transferRow{
			logID: uint64(id), batch: uint64(t.Batch), standard: uint64(t.Standard), Transfer: t,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
