package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// A checkSnapshot is what one snapshot says of a range of numbers.
type checkSnapshot struct {
	first, end uint64 // end is one past the last
	genesis    common.Hash

	below     *Anchor // the block before first, if it is stored
	blocks    []*loaded
	failed    []uint64
	transfers map[uint64][]transferRow
	faults    []Fault
	broken    map[uint64]bool // blocks that can't even be loaded
}

func (s *checkSnapshot) fault(promise string, number uint64, format string, args ...any) {
	s.faults = append(s.faults, Fault{Promise: promise, Number: number, What: fmt.Sprintf(format, args...)})
}

func (s *checkSnapshot) read(ctx context.Context, tx *sql.Tx, last uint64) error {
	var start, next uint64
	if err := tx.QueryRowContext(ctx, boundsQuery).Scan(integer{&start}, integer{&next}); err != nil {
		return err
	}
	s.first, s.end = max(s.first, start), min(last+1, next) // somebody may have pruned or rewound
	if s.first >= s.end {
		return nil
	}
	end, err := rangeEnd(ctx, tx, s.first, s.end-1)
	if err != nil { // what is wrong shows below
		end = min(s.end, s.first+rangeBlocks)
	}
	s.end = end
	if err := s.readBelow(ctx, tx); err != nil {
		return err
	}
	numbers, err := readNumbers(ctx, tx, `SELECT number FROM blocks WHERE number >= ? AND number < ? ORDER BY number`, s.first, s.end)
	if err != nil {
		return err
	}
	s.failed, err = readNumbers(ctx, tx, `SELECT block_number FROM failed_blocks
		WHERE block_number >= ? AND block_number < ? ORDER BY block_number`, s.first, s.end)
	if err != nil {
		return err
	}
	stuck, err := readNumbers(ctx, tx, `SELECT block_number FROM failed_blocks WHERE block_number >= ? AND block_number < ?
		AND ((next_retry_at IS NULL) <> (skipped_at IS NOT NULL) OR (skipped_at IS NULL) <> (skip_reason IS NULL))`, s.first, s.end)
	if err != nil {
		return err
	}
	for _, n := range stuck {
		s.fault(Coverage, n, "is missing, and not either due or skipped for a reason")
	}
	if err := s.load(ctx, tx, numbers); err != nil {
		return err
	}
	if err := s.misplaced(ctx, tx); err != nil {
		return err
	}
	return strays(ctx, tx, int64(s.first), int64(s.end-1), s.fault)
}

func (s *checkSnapshot) readBelow(ctx context.Context, tx *sql.Tx) error {
	var below Anchor
	err := tx.QueryRowContext(ctx, `SELECT number, hash FROM blocks WHERE number = ?`, int64(s.first)-1).
		Scan(integer{&below.Number}, fixed(below.Hash[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	s.below = &below
	return err
}

// load reads the blocks, all at once or, if that fails, one by one to find out
// which can't be read.
func (s *checkSnapshot) load(ctx context.Context, tx *sql.Tx, numbers []uint64) error {
	s.transfers = make(map[uint64][]transferRow)
	s.broken = make(map[uint64]bool)
	if len(numbers) == 0 || s.loadAll(ctx, tx, numbers) == nil {
		return nil
	}
	for i, number := range numbers {
		err := s.loadAll(ctx, tx, numbers[i:i+1])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.broke(number, unread(number, err))
		}
	}
	return nil
}

// loadAll reads some blocks, and all from the first to the last of them.
func (s *checkSnapshot) loadAll(ctx context.Context, tx *sql.Tx, numbers []uint64) error {
	first, last := numbers[0], numbers[len(numbers)-1]
	blocks, err := loadBlocks(ctx, tx, first, last)
	if err != nil {
		return err
	}
	if len(blocks) != len(numbers) {
		return ErrNotFound
	}
	transfers, err := loadRows(ctx, tx, "transfers", transferColumns, first, last)
	if err != nil {
		return err
	}
	for _, l := range blocks {
		s.transfers[l.row.Number] = take(&transfers, l.row.Number, func(r *transferRow) uint64 { return r.at.Block })
		if err := l.assemble(); err != nil {
			s.broke(l.row.Number, err)
			continue
		}
		s.blocks = append(s.blocks, l)
	}
	return nil
}

// misplaced looks for rows that say for others another place than their id does.
func (s *checkSnapshot) misplaced(ctx context.Context, tx *sql.Tx) error {
	for table, columns := range derivedColumns {
		var differ []string
		for _, c := range columns {
			differ = append(differ, c.name+" IS NOT "+strings.Replace(c.sql, "?1", "id", 1))
		}
		found, err := readNumbers(ctx, tx, `SELECT DISTINCT id >> 24 FROM `+table+` WHERE `+byID.where+
			` AND (`+strings.Join(differ, " OR ")+`) ORDER BY 1`, s.first, s.end-1)
		if err != nil {
			return err
		}
		for _, number := range found {
			s.fault(Whole, number, "a row of its %s says another place than its id", table)
		}
	}
	return nil
}

// unread says why a block can't be read.
func unread(number uint64, err error) error {
	if what := badValue(err); what != "" {
		return fmt.Errorf("block %d: %s", number, what)
	}
	return fmt.Errorf("block %d: %w", number, explain(err))
}

func (s *checkSnapshot) broke(number uint64, err error) {
	s.broken[number] = true
	s.fault(Whole, number, "%s", err)
}

func readNumbers(ctx context.Context, tx *sql.Tx, query string, first, end uint64) ([]uint64, error) {
	rows, err := tx.QueryContext(ctx, query, clamp(first), clamp(end))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var numbers []uint64
	for rows.Next() {
		var n uint64
		if err := rows.Scan(integer{&n}); err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, rows.Err()
}

// check gives the faults of the range, in no order.
func (s *checkSnapshot) check(ctx context.Context) ([]Fault, error) {
	s.checkCoverage()
	s.checkLinks()
	err := s.checkBlocks(ctx)
	return s.faults, err
}

// checkCoverage compares the numbers of both tables with the range.
func (s *checkSnapshot) checkCoverage() {
	stored, missing := make(map[uint64]bool), make(map[uint64]bool)
	for _, l := range s.blocks {
		stored[l.block.Number] = true
	}
	for _, n := range s.failed {
		missing[n] = true
	}
	for n := s.first; n < s.end; n++ {
		stored := stored[n] || s.broken[n]
		switch {
		case stored && missing[n]:
			s.fault(Coverage, n, "is both stored and missing")
		case !stored && !missing[n]:
			s.fault(Coverage, n, "is neither stored nor known to be missing")
		}
	}
}

func (s *checkSnapshot) checkLinks() {
	below := s.below
	for _, l := range s.blocks {
		b := l.block
		if b.Number == 0 && b.Hash != s.genesis {
			s.fault(Linked, 0, "it is %s, but the chain's genesis is %s", b.Hash, s.genesis)
		}
		if below != nil && below.Number+1 == b.Number && below.Hash != b.ParentHash {
			s.fault(Linked, b.Number, "its parent is %s, but stored block %d is %s", b.ParentHash, below.Number, below.Hash)
		}
		below = &Anchor{b.Number, b.Hash}
	}
}

// checkBlocks checks each block by itself, on all cores.
func (s *checkSnapshot) checkBlocks(ctx context.Context) error {
	found := make([][]Fault, len(s.blocks))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range s.blocks {
		g.Go(func() error {
			if ctx.Err() == nil {
				found[i] = l.check(s.transfers[l.block.Number])
			}
			return context.Cause(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, f := range found {
		s.faults = append(s.faults, f...)
	}
	return nil
}

// count adds what the snapshot had.
func (s *checkSnapshot) count(c *Checked) {
	c.Missing += uint64(len(s.failed))
	below := s.below
	for _, l := range s.blocks {
		c.Blocks++
		c.Transactions += uint64(len(l.txs))
		c.Logs += uint64(len(l.logs))
		if l.row.verdict.Missing() != 0 {
			c.Incomplete++
		}
		if below != nil && below.Number+1 == l.block.Number {
			c.Links++
		}
		below = &Anchor{Number: l.block.Number}
	}
}
