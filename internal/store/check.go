package store

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
)

// The promises that Check proves.
const (
	Sound    = "sound"    // SQLite finds its own structures whole
	Coverage = "coverage" // each number is in exactly one of blocks and failed_blocks
	Whole    = "whole"    // a block has all that is in it, and nothing lies about without a block
	Linked   = "linked"   // each block is the parent of the next
	Verified = "verified" // what the verdict says can be computed again
)

// A Fault is a promise that the file does not keep.
type Fault struct {
	Promise string
	Number  uint64 // the block
	What    string
}

func (f Fault) String() string { return fmt.Sprintf("block %d: not %s: %s", f.Number, f.Promise, f.What) }

// Checked counts what Check has gone through.
type Checked struct {
	From, To      uint64 // first and last number; none if To+1 == From
	Blocks        uint64
	Missing       uint64 // rows of failed_blocks
	Transactions  uint64
	Logs          uint64
	Links         uint64 // pairs of neighbours
	NotComputable uint64 // blocks with a check that can't be computed here
	KnownWrong    uint64 // blocks that are stored although a check failed, and say so
	Faults        uint64
}

// A Checker proves all promises of a file from the file alone. It writes
// nothing, reads in chunks and holds no snapshot for long, so that it can run
// beside the process that writes.
type Checker struct {
	// From and To bound the block numbers; nil is the file's own bound.
	From, To *uint64
	// Fault is called for each fault, in order of block numbers.
	Fault func(Fault)
	// Progress, if set, is called after each chunk.
	Progress func(done, total uint64)
}

// checkChunk is how many block numbers are read in one snapshot.
const checkChunk = 64

// Check goes through the file. Its error says that it could not, not that a
// promise is broken.
func (c Checker) Check(ctx context.Context, r *Reader) (Checked, error) {
	run := checkRun{Checker: c, reader: r}
	if c.From == nil && c.To == nil {
		if err := run.sound(ctx); err != nil {
			return run.done, err
		}
	}
	id, err := r.Identity(ctx)
	if err != nil {
		return run.done, err
	}
	next, err := r.Next(ctx)
	if err != nil {
		return run.done, err
	}
	run.done.From, run.done.To = id.Start, next-1
	if c.From != nil {
		run.done.From = max(*c.From, id.Start)
	}
	if c.To != nil && *c.To < next {
		run.done.To = *c.To
	}
	for first := run.done.From; first < run.done.To+1; first += checkChunk {
		last := min(first+checkChunk-1, run.done.To)
		if err := run.chunk(ctx, first, last); err != nil {
			return run.done, fmt.Errorf("check blocks %d to %d: %w", first, last, err)
		}
		if c.Progress != nil {
			c.Progress(last+1-run.done.From, run.done.To+1-run.done.From)
		}
	}
	if c.From == nil && c.To == nil {
		err = run.outside(ctx, id.Start)
	}
	return run.done, err
}

// A checkRun is one run of a Checker.
type checkRun struct {
	Checker
	reader *Reader
	done   Checked
}

func (c *checkRun) fault(promise string, number uint64, format string, args ...any) {
	c.done.Faults++
	c.Fault(Fault{Promise: promise, Number: number, What: fmt.Sprintf(format, args...)})
}

// sound lets SQLite check pages, indexes and constraints.
func (c *checkRun) sound(ctx context.Context) error {
	rows, err := c.reader.db.QueryContext(ctx, `PRAGMA integrity_check(20)`)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return explain(err)
		}
		if what != "ok" {
			c.fault(Sound, 0, "%s", what)
		}
	}
	return explain(rows.Err())
}

// outside looks for rows below the start block.
func (c *checkRun) outside(ctx context.Context, start uint64) error {
	for table, key := range map[string]string{"blocks": "number", "failed_blocks": "block_number"} {
		var number *int64
		err := c.reader.db.QueryRowContext(ctx, `SELECT MIN(`+key+`) FROM `+table+` WHERE `+key+` < ?`, clamp(start)).Scan(&number)
		if err != nil {
			return explain(err)
		}
		if number != nil {
			c.fault(Coverage, uint64(*number), "is in %s although the start block is %d", table, start)
		}
	}
	return c.reader.orphans(ctx, 0, firstID(start), func(table string, count int64) {
		if count != 0 {
			c.fault(Whole, start, "%d rows of %s are below it, the start block", count, table)
		}
	})
}

// chunk checks a range of numbers in one snapshot.
func (c *checkRun) chunk(ctx context.Context, first, last uint64) error {
	tx, err := c.reader.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	s := checkSnapshot{first: first}
	if err := s.read(ctx, tx, last); err != nil {
		return explain(err)
	}
	if err := c.coverage(&s); err != nil {
		return err
	}
	_ = tx.Rollback() // what is left needs no snapshot
	return c.blocks(ctx, &s)
}

// A checkSnapshot is what one snapshot says of a range of numbers.
type checkSnapshot struct {
	first, end uint64 // end is one past the last
	below      *Anchor
	blocks     []*loaded // in order
	broken     []Fault   // blocks that can't even be loaded
	transfers  map[uint64][]transferRow
	failed     []uint64
	strays     map[string]int64
}

func (s *checkSnapshot) read(ctx context.Context, tx *sql.Tx, last uint64) error {
	var next int64
	if err := tx.QueryRowContext(ctx, nextQuery).Scan(&next); err != nil {
		return err
	}
	s.end = min(last+1, uint64(next)) // a rewind may have come between
	if s.first >= s.end {
		return nil
	}
	var below Anchor
	err := tx.QueryRowContext(ctx, `SELECT number, hash FROM blocks WHERE number = ?`, int64(s.first)-1).
		Scan(integer{&below.Number}, fixed(below.Hash[:]))
	switch {
	case err == nil:
		s.below = &below
	case err != sql.ErrNoRows:
		return err
	}
	numbers, err := readNumbers(ctx, tx, `SELECT number FROM blocks WHERE number >= ? AND number < ? ORDER BY number`, s.first, s.end)
	if err != nil {
		return err
	}
	if s.failed, err = readNumbers(ctx, tx, `SELECT block_number FROM failed_blocks
		WHERE block_number >= ? AND block_number < ? ORDER BY block_number`, s.first, s.end); err != nil {
		return err
	}
	return s.load(ctx, tx, numbers)
}

// load reads the blocks, and counts the rows that are of none of them.
func (s *checkSnapshot) load(ctx context.Context, tx *sql.Tx, numbers []uint64) error {
	s.transfers = make(map[uint64][]transferRow)
	s.strays = make(map[string]int64)
	for _, number := range numbers {
		l, err := loadBlock(ctx, tx, number)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.broken = append(s.broken, Fault{Promise: Whole, Number: number, What: err.Error()})
			continue
		}
		s.blocks = append(s.blocks, l)
		if s.transfers[number], err = loadRows(ctx, tx, "transfers", transferColumns, number); err != nil {
			return err
		}
		s.strays["transactions"] -= int64(len(l.txs))
		s.strays["logs"] -= int64(len(l.logs))
		s.strays["withdrawals"] -= int64(len(l.block.Withdrawals))
		s.strays["uncles"] -= int64(len(l.block.Uncles))
		s.strays["transfers"] -= int64(len(s.transfers[number]))
	}
	return countRows(ctx, tx, firstID(s.first), firstID(s.end), func(table string, count int64) { s.strays[table] += count })
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

// orphans counts rows by table in a range of ids.
func (r *Reader) orphans(ctx context.Context, first, end int64, each func(table string, count int64)) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return explain(countRows(ctx, tx, first, end, each))
}

func countRows(ctx context.Context, tx *sql.Tx, first, end int64, each func(table string, count int64)) error {
	for _, t := range []struct{ table, key string }{
		{"transactions", "id"}, {"logs", "id"}, {"withdrawals", "id"}, {"uncles", "id"}, {"transfers", "log_id"},
	} {
		var count int64
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+t.table+` WHERE `+t.key+` >= ? AND `+t.key+` < ?`, first, end).Scan(&count)
		if err != nil {
			return err
		}
		each(t.table, count)
	}
	return nil
}

// coverage compares the numbers of both tables with the range.
func (c *checkRun) coverage(s *checkSnapshot) error {
	for _, f := range s.broken {
		c.done.Faults++
		c.Fault(f)
	}
	stored := make(map[uint64]bool)
	for _, l := range s.blocks {
		stored[l.block.Number] = true
	}
	for _, f := range s.broken {
		stored[f.Number] = true
	}
	missing := make(map[uint64]bool)
	for _, n := range s.failed {
		missing[n] = true
	}
	for n := s.first; n < s.end; n++ {
		switch {
		case stored[n] && missing[n]:
			c.fault(Coverage, n, "is both stored and missing")
		case !stored[n] && !missing[n]:
			c.fault(Coverage, n, "is neither stored nor known to be missing")
		}
	}
	c.done.Missing += uint64(len(s.failed))
	for _, table := range []string{"transactions", "logs", "withdrawals", "uncles", "transfers"} {
		if s.strays[table] != 0 && len(s.broken) == 0 {
			c.fault(Whole, s.first, "from here to block %d, %d rows of %s are of no stored block", s.end-1, s.strays[table], table)
		}
	}
	return nil
}

// blocks checks each block by itself, on all cores, then the links.
func (c *checkRun) blocks(ctx context.Context, s *checkSnapshot) error {
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
	below := s.below
	for i, l := range s.blocks {
		for _, f := range found[i] {
			c.fault(f.Promise, f.Number, "%s", f.What)
		}
		if below != nil && below.Number+1 == l.block.Number {
			c.done.Links++
			if below.Hash != l.block.ParentHash {
				c.fault(Linked, l.block.Number, "its parent is %s, but stored block %d is %s", l.block.ParentHash, below.Number, below.Hash)
			}
		}
		below = &Anchor{l.block.Number, l.block.Hash}
		c.count(l)
	}
	return nil
}

func (c *checkRun) count(l *loaded) {
	c.done.Blocks++
	c.done.Transactions += uint64(len(l.txs))
	c.done.Logs += uint64(len(l.logs))
	if l.row.verdict.NotComputable != 0 {
		c.done.NotComputable++
	}
	if l.row.verdict.Failed != 0 {
		c.done.KnownWrong++
	}
}

// check proves what one block can show by itself.
func (l *loaded) check(transfers []transferRow) (faults []Fault) {
	add := func(promise, format string, args ...any) {
		faults = append(faults, Fault{promise, l.block.Number, fmt.Sprintf(format, args...)})
	}
	if why := l.whole(); why != "" {
		add(Whole, "%s", why)
		return faults
	}
	if err := l.block.Restore(); err != nil {
		add(Verified, "%s", err)
		return faults
	}
	stored := l.row.verdict
	again := chain.Verify(l.block, chain.AllChecks)
	if bad := again.Failed &^ stored.Failed; bad != 0 {
		add(Verified, "%s: %s", bad, again.Why)
	} else if bad := stored.Passed &^ again.Passed; bad != 0 {
		add(Verified, "%s passed once and is not computable now", bad)
	}
	if !slices.EqualFunc(l.transferRows(), transfers, sameTransfer) {
		add(Whole, "its transfers are not those of its logs")
	}
	return faults
}

// whole compares counts and positions with what the rows claim.
func (l *loaded) whole() string {
	row, b := l.row, l.block
	switch {
	case uint64(len(l.txs)) != row.transactions:
		return fmt.Sprintf("has %d of %d transactions", len(l.txs), row.transactions)
	case uint64(len(l.logs)) != row.logs:
		return fmt.Sprintf("has %d of %d logs", len(l.logs), row.logs)
	case uint64(len(b.Uncles)) != row.uncles:
		return fmt.Sprintf("has %d of %d uncles", len(b.Uncles), row.uncles)
	case row.withdrawals != nil && uint64(len(b.Withdrawals)) != *row.withdrawals:
		return fmt.Sprintf("has %d of %d withdrawals", len(b.Withdrawals), *row.withdrawals)
	case row.withdrawals == nil && len(b.Withdrawals) > 0:
		return "has withdrawals that it does not know of"
	}
	for i := range l.txs {
		if l.txs[i].id != uint64(firstID(b.Number))+uint64(i) {
			return fmt.Sprintf("transaction %d is at another index", i)
		}
		if l.txs[i].logs != uint64(len(b.Transactions[i].Receipt.Logs)) {
			return fmt.Sprintf("transaction %d has %d of %d logs", i, len(b.Transactions[i].Receipt.Logs), l.txs[i].logs)
		}
	}
	for i := range l.logs {
		if l.logs[i].id != uint64(firstID(b.Number))+uint64(i) {
			return fmt.Sprintf("log %d is at another index", i)
		}
		if i > 0 && l.logs[i].transaction < l.logs[i-1].transaction {
			return fmt.Sprintf("log %d is of an earlier transaction than the log before it", i)
		}
	}
	return ""
}

// transferRows derives the transfers from the logs, as insert does.
func (l *loaded) transferRows() (rows []transferRow) {
	for i := range l.logs {
		for _, t := range l.logs[i].Log.Transfers() {
			rows = append(rows, transferRow{logID: l.logs[i].id, batch: uint64(t.Batch), standard: uint64(t.Standard), Transfer: t})
		}
	}
	return rows
}

func sameTransfer(a, b transferRow) bool {
	return a.logID == b.logID && a.batch == b.batch && a.standard == b.standard && a.Token == b.Token &&
		a.From == b.From && a.To == b.To && a.Amount == b.Amount &&
		(a.TokenID == nil) == (b.TokenID == nil) && (a.TokenID == nil || *a.TokenID == *b.TokenID)
}
