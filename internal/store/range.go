package store

import (
	"context"
	"database/sql"
	"fmt"

	"gapless/internal/chain"
)

// What one snapshot of some blocks reads at most, but for a larger block.
const (
	rangeBlocks = 64
	rangeRows   = 20_000   // transactions and logs
	rangeBytes  = 64 << 20 // of RLP, and of what logs may have for the gas
)

// logGas is what a byte of a log's data costs (yellow paper, G_logdata).
const logGas = 8

// A FaultError says that what is stored of a block is not what was stored.
type FaultError struct{ Fault }

func (e *FaultError) Error() string {
	return e.String() + "\n`gapless verify` shows all that is wrong, with --repair it is fetched anew"
}

// Blocks loads stored blocks, in order, from first on and to last at most: as
// many as one snapshot that is soon over can read. The next call begins at
// next. Numbers that are not stored are left out. A block without all that is
// in it is a [*FaultError].
func (r *Reader) Blocks(ctx context.Context, first, last uint64) (blocks []*chain.Block, next uint64, err error) {
	var rows []*loaded
	err = r.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if next, err = rangeEnd(ctx, tx, first, last); err == nil {
			rows, err = loadBlocks(ctx, tx, first, next-1)
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("blocks from %d: %w", first, err)
	}
	for _, l := range rows {
		if err := l.restored(); err != nil {
			return nil, 0, err
		}
		blocks = append(blocks, l.block)
	}
	return blocks, next, nil
}

// rangeEnd is one past the last block that one snapshot shall read.
func rangeEnd(ctx context.Context, tx *sql.Tx, first, last uint64) (end uint64, err error) {
	last = min(last, first+rangeBlocks-1)
	rows, err := tx.QueryContext(ctx, `SELECT number, MIN(transaction_count + log_count, ?1), MIN(IFNULL(size, 0), ?1) + MIN(gas_used, ?1) / ?2
		FROM blocks WHERE number BETWEEN ?3 AND ?4 ORDER BY number`, int64(1<<40), logGas, clamp(first), clamp(last)) // a size is what the node told
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for count, bytes := int64(0), int64(0); rows.Next(); {
		var number uint64
		var moreCount, moreBytes int64
		if err := rows.Scan(integer{&number}, &moreCount, &moreBytes); err != nil {
			return 0, err
		}
		count, bytes = count+moreCount, bytes+moreBytes
		if (count > rangeRows || bytes > rangeBytes) && number > first {
			return number, rows.Err()
		}
	}
	return last + 1, rows.Err()
}

// restored makes the block of its rows, if it has all that is in it.
func (l *loaded) restored() error {
	err := l.assemble()
	if err == nil {
		if why := l.whole(); why != "" {
			return &FaultError{Fault{Whole, l.row.Number, why}}
		}
		err = l.block.Restore()
	}
	if err != nil {
		return &FaultError{Fault{Whole, l.row.Number, err.Error()}}
	}
	return nil
}

// Rewound gives the lowest block number that was rewound since the journal's
// row seq. It is past every number if there is none.
func (r *Reader) Rewound(ctx context.Context, seq int64) (lowest uint64, err error) {
	err = r.db.QueryRowContext(ctx, `SELECT IFNULL(MIN(first_block), 9223372036854775807) FROM journal
		WHERE kind = 'reorg' AND seq > ?`, seq).Scan(integer{&lowest})
	return lowest, explain(err)
}
