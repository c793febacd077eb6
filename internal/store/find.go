package store

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A Found is a transaction with what is needed to tell of it.
type Found struct {
	chain.Transaction
	Block    *chain.Block // hash, number and timestamp only
	Index    int          // in the block
	FirstLog int          // log index in the block; 0 if there are none or they were not asked for
}

var (
	byHashQuery = selectFrom("transactions", transactionColumns(new(transactionRow)), "hash = ? LIMIT 1")
	byIDQuery   = selectFrom("transactions", transactionColumns(new(transactionRow)), "id = ?")
	logsOfQuery = selectFrom("logs", logColumns(new(logRow)), byID.where+" AND transaction_index = ?3 ORDER BY id")
)

// Transaction finds a transaction by its hash, with its logs if they are asked
// for; [ErrNotFound] if it is not stored.
func (v *View) Transaction(hash common.Hash, logs bool) (*Found, error) {
	return v.find(byHashQuery, hash[:], logs)
}

// TransactionAt finds the transaction at an index of a block; [ErrNotFound] if
// there is none. What is below block number 2^39 and index 2^24 only is stored.
func (v *View) TransactionAt(number, index uint64) (*Found, error) {
	if number > mostNumber || index >= 1<<positionBits {
		return nil, ErrNotFound
	}
	return v.find(byIDQuery, firstID(number)|int64(index), false)
}

func (v *View) find(query string, by any, logs bool) (*Found, error) {
	var row transactionRow
	if err := v.get(query, []any{by}, places(transactionColumns(&row))...); err != nil {
		return nil, err
	}
	f := &Found{Transaction: row.transaction(), Block: new(chain.Block), Index: int(positionOf(row.id).Index)}
	f.Block.Number = positionOf(row.id).Block
	err := v.get(`SELECT hash, timestamp FROM blocks WHERE number = ?`, []any{int64(f.Block.Number)},
		fixed(f.Block.Hash[:]), integer{&f.Block.Timestamp})
	if errors.Is(err, ErrNotFound) {
		err = errors.New("a transaction is of no block")
	}
	if err == nil && logs && row.logs > 0 {
		err = v.loadLogsOf(f)
	}
	return f, err
}

func (v *View) loadLogsOf(f *Found) error {
	var row logRow
	receipt := &f.Receipt
	return v.each(logsOfQuery, append(inside(f.Block.Number), f.Index), places(logColumns(&row)), func() {
		if len(receipt.Logs) == 0 {
			f.FirstLog = int(positionOf(row.id).Index)
		}
		receipt.Logs = append(receipt.Logs, row.log())
		row = logRow{}
	})
}
