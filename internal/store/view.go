package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A View is the file at one moment. It is for short look-ups: while it is open,
// what is written to the file can't be taken in. What it finds is as it was
// stored, before [chain.Block.Restore]: enough to be given as JSON again.
type View struct {
	s   *session
	ctx context.Context // of the look-up that the View is for; of none where that costs too much
}

// View calls look with a view of the file, which ends with it. ctx ends the wait
// for a connection, and for a Reader of [OpenInPlace] also what is asked of it.
// For others, a query that can end would cost half again, and they are short.
func (r *Reader) View(ctx context.Context, look func(*View) error) error {
	s, err := r.db.take(ctx)
	if err != nil {
		return explain(err)
	}
	defer s.giveBack()
	if err := s.exec(`BEGIN`); err != nil {
		return explain(err)
	}
	defer func() { _ = s.exec(`ROLLBACK`) }() // nothing was written
	v := &View{s, context.Background()}
	if r.glance {
		v.ctx = ctx
	}
	return look(v)
}

// get reads one row; [ErrNotFound] if there is none.
func (v *View) get(query string, args []any, into ...any) error {
	p, err := v.s.prepared(query)
	if err != nil {
		return explain(err)
	}
	err = p.QueryRowContext(v.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return explain(err)
}

// Start is the lowest block number that is indexed.
func (v *View) Start() (start uint64, err error) {
	err = v.get(`SELECT start_block FROM chain`, nil, integer{&start})
	if errors.Is(err, ErrNotFound) {
		err = ErrNoChain
	}
	return start, err
}

// Client is what the node that the file was first indexed from calls itself, as
// web3_clientVersion has it.
func (v *View) Client() (client string, err error) {
	err = v.get(`SELECT client FROM chain`, nil, &client)
	if errors.Is(err, ErrNotFound) {
		err = ErrNoChain
	}
	return client, err
}

// Bounds are the lowest block number that is indexed and one past the highest.
func (v *View) Bounds() (start, next uint64, err error) {
	err = v.get(boundsQuery, nil, integer{&start}, integer{&next})
	if errors.Is(err, ErrNotFound) {
		err = ErrNoChain
	}
	return start, next, err
}

// Genesis is the hash of block 0.
func (v *View) Genesis() (hash common.Hash, err error) {
	err = v.get(`SELECT genesis_hash FROM chain`, nil, fixed(hash[:]))
	return hash, err
}

// Highest is the highest stored block at or below a number; [ErrNotFound] if
// there is none.
func (v *View) Highest(at uint64) (number uint64, err error) {
	err = v.get(`SELECT number FROM blocks WHERE number <= ? ORDER BY number DESC LIMIT 1`, []any{clamp(at)}, integer{&number})
	return number, err
}

// Number gives the number of a stored block; [ErrNotFound] if there is none of
// that hash.
func (v *View) Number(hash common.Hash) (number uint64, err error) {
	err = v.get(`SELECT number FROM blocks WHERE hash = ?`, []any{hash[:]}, integer{&number})
	return number, err
}

// Counts are how many a block has of what is in it.
type Counts struct{ Transactions, Logs, Uncles uint64 }

// Header gives a stored block with nothing but its header, and counts the rest;
// [ErrNotFound] if it is not stored.
func (v *View) Header(number uint64) (*chain.Block, Counts, error) {
	var row blockRow
	columns := blockColumns(&row)
	err := v.get(headerQuery, []any{clamp(number)}, places(columns)...)
	b := &chain.Block{Header: row.Header, Verdict: row.verdict}
	if row.withdrawals != nil {
		b.Withdrawals = make([]chain.Withdrawal, 0, min(*row.withdrawals, maxReserved))
	}
	return b, Counts{row.transactions, row.logs, row.uncles}, err
}

var headerQuery = selectFrom("blocks", blockColumns(new(blockRow)), "number = ?")

// maxReserved is for how many rows memory is reserved because a block says that it
// has them.
const maxReserved = 1 << 10

// A Part is what of a block is loaded beside its header.
type Part int

const (
	PartHashes       Part = iota // hashes of transactions and uncles; withdrawals too
	PartTransactions             // the same with whole transactions, but without logs
	PartReceipts                 // transactions and their logs, nothing else
	PartAll
)

// Block gives a part of a stored block; [ErrNotFound] if it is not stored.
func (v *View) Block(number uint64, part Part) (*chain.Block, error) {
	b, counts, err := v.Header(number)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	b.Transactions = make([]chain.Transaction, 0, min(counts.Transactions, maxReserved))
	switch {
	case counts.Transactions == 0:
	case part == PartHashes:
		err = v.loadHashes(b)
	default:
		err = v.loadTransactions(b)
	}
	if err == nil && counts.Logs > 0 && part >= PartReceipts {
		err = v.loadLogs(b)
	}
	if err == nil && cap(b.Withdrawals) > 0 && part != PartReceipts {
		err = v.loadWithdrawals(b)
	}
	if err == nil && part != PartReceipts {
		err = v.loadUncles(b, counts.Uncles, part)
	}
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", number, err)
	}
	return b, nil
}

// each reads rows into the places of columns and calls fn after each.
func (v *View) each(query string, args []any, into []any, fn func()) error {
	p, err := v.s.prepared(query)
	if err != nil {
		return explain(err)
	}
	rows, err := p.QueryContext(v.ctx, args...)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return explain(err)
		}
		fn()
	}
	return explain(rows.Err())
}

// inside are the bounds of a span of one block.
func inside(number uint64) []any { return []any{clamp(number), clamp(number)} }

func (v *View) loadHashes(b *chain.Block) error {
	var tx chain.Transaction
	return v.each(`SELECT hash FROM transactions WHERE `+byID.where+` ORDER BY id`, inside(b.Number),
		[]any{fixed(tx.Hash[:])}, func() { b.Transactions = append(b.Transactions, tx) })
}

var transactionsQuery = selectSpan("transactions", transactionColumns(new(transactionRow)))

func (v *View) loadTransactions(b *chain.Block) error {
	var row transactionRow
	return v.each(transactionsQuery, inside(b.Number), places(transactionColumns(&row)), func() {
		b.Transactions = append(b.Transactions, row.transaction())
		row = transactionRow{}
	})
}

// transaction is the row as a transaction without logs.
func (r *transactionRow) transaction() chain.Transaction {
	tx := r.Transaction
	tx.Receipt.LogsBloom, tx.Receipt.Logs = r.bloom, []chain.Log{}
	return tx
}

var logsQuery = selectSpan("logs", logColumns(new(logRow)))

func (v *View) loadLogs(b *chain.Block) error {
	var row logRow
	stray := false
	err := v.each(logsQuery, inside(b.Number), places(logColumns(&row)), func() {
		if row.transaction >= uint64(len(b.Transactions)) {
			stray = true
			return
		}
		receipt := &b.Transactions[row.transaction].Receipt
		receipt.Logs = append(receipt.Logs, row.log())
		row = logRow{}
	})
	if err == nil && stray {
		err = errors.New("a log is of no transaction")
	}
	return err
}

// log is the row as a log.
func (r *logRow) log() chain.Log {
	log := r.Log
	log.Topics = given(r.topics)
	return log
}

var withdrawalsQuery = selectSpan("withdrawals", withdrawalColumns(new(withdrawalRow)))

func (v *View) loadWithdrawals(b *chain.Block) error {
	var row withdrawalRow
	return v.each(withdrawalsQuery, inside(b.Number), places(withdrawalColumns(&row)), func() {
		b.Withdrawals = append(b.Withdrawals, row.Withdrawal)
		row = withdrawalRow{}
	})
}

var unclesQuery = selectSpan("uncles", uncleColumns(new(uncleRow)))

func (v *View) loadUncles(b *chain.Block, count uint64, part Part) error {
	b.UncleHashes = make([]common.Hash, 0, min(count, maxReserved))
	if count == 0 {
		return nil
	}
	var row uncleRow
	return v.each(unclesQuery, inside(b.Number), places(uncleColumns(&row)), func() {
		b.UncleHashes = append(b.UncleHashes, row.Hash)
		if part == PartAll {
			b.Uncles = append(b.Uncles, row.Header)
		}
		row = uncleRow{}
	})
}
