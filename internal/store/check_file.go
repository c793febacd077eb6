package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
)

// belowStart looks for rows below the start block.
func (c *checkRun) belowStart(ctx context.Context, tx *sql.Tx) error {
	var start uint64
	if err := tx.QueryRowContext(ctx, `SELECT start_block FROM chain`).Scan(integer{&start}); err != nil {
		return err
	}
	for _, t := range numbered {
		var number *int64
		query := `SELECT MIN(` + t.key + `) FROM ` + t.table + ` WHERE ` + t.key + ` < ?`
		if err := tx.QueryRowContext(ctx, query, clamp(start)).Scan(&number); err != nil {
			return err
		}
		if number != nil {
			c.fault(Coverage, uint64(max(0, *number)), "is in %s although the start block is %d", t.table, start)
		}
	}
	return strays(ctx, tx, lowestNumber, int64(start)-1, c.fault)
}

// aboveHead looks for what is left of blocks at the head that went: rows of
// theirs, and what the journal says.
func (c *checkRun) aboveHead(ctx context.Context, tx *sql.Tx) error {
	var next uint64
	if err := tx.QueryRowContext(ctx, nextQuery).Scan(integer{&next}); err != nil {
		return err
	}
	var journaled *uint64
	if err := tx.QueryRowContext(ctx, journalNextQuery).Scan(optInteger{&journaled}); err != nil {
		return err
	}
	if journaled != nil && *journaled != next {
		c.fault(Coverage, min(next, *journaled), "the journal says that the next block is %d, but it is %d", *journaled, next)
	}
	if err := c.pastNumbers(ctx, tx); err != nil || next > mostNumber {
		return err
	}
	return strays(ctx, tx, int64(next), mostNumber, c.fault)
}

// journalNextQuery gives the next block number, going by the journal.
const journalNextQuery = `SELECT MAX(IIF(kind = 'reorg', first_block, last_block + 1)) FROM journal
	WHERE kind IN ('blocks', 'failed', 'reorg')
		AND seq >= IFNULL((SELECT MAX(seq) FROM journal WHERE kind = 'reorg'), 0)`

// pastNumbers looks for numbers past the last that fits the file.
func (c *checkRun) pastNumbers(ctx context.Context, tx *sql.Tx) error {
	for _, t := range numbered {
		var number *uint64
		query := `SELECT MAX(` + t.key + `) FROM ` + t.table + ` WHERE ` + t.key + ` > ?`
		if err := tx.QueryRowContext(ctx, query, int64(mostNumber)).Scan(optInteger{&number}); err != nil {
			return err
		}
		if number != nil {
			c.fault(Coverage, *number, "is in %s although %d is the last that fits the file", t.table, uint64(mostNumber))
		}
	}
	return nil
}

// numbered are the tables of block numbers.
var numbered = []struct{ table, key string }{{"blocks", "number"}, {"failed_blocks", "block_number"}}

// strays looks for rows in a range of block numbers that are of no stored block.
func strays(ctx context.Context, tx *sql.Tx, first, last int64, fault func(promise string, number uint64, format string, args ...any)) error {
	for _, table := range []string{"transactions", "logs", "withdrawals", "uncles", "transfers"} {
		s, from, to := spans[table], first, last
		if s.number == byPlace.number { // not bounded by what an id can have
			if first == lowestNumber {
				from = math.MinInt64
			}
			if last == mostNumber {
				to = math.MaxInt64
			}
		}
		rows, err := tx.QueryContext(ctx, `SELECT `+s.number+` AS block, COUNT(*) FROM `+table+`
			WHERE `+s.where+` AND block NOT IN (SELECT number FROM blocks WHERE number BETWEEN ?1 AND ?2)
			GROUP BY block ORDER BY block`, from, to)
		if err != nil {
			return err
		}
		for rows.Next() {
			var number, count int64
			if err := rows.Scan(&number, &count); err != nil {
				return errors.Join(err, rows.Close())
			}
			fault(Whole, uint64(max(0, number)), "%d rows of %s are of this block, which is not stored", count, table)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}
