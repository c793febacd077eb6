package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"gapless/internal/chain"
)

// The promises that a Checker proves.
const (
	Sound    = "sound"    // SQLite finds its own structures whole
	Coverage = "coverage" // each number is in exactly one of blocks and failed_blocks
	Whole    = "whole"    // a block has all that is in it, and nothing lies about without a block
	Linked   = "linked"   // each block is the parent of the next, and block 0 the genesis
	Verified = "verified" // what the verdict says can be computed again
)

// A Fault is a promise that the file does not keep.
type Fault struct {
	Promise string
	Number  uint64 // the block; 0 for a fault of the file
	What    string
}

func (f Fault) String() string {
	return fmt.Sprintf("block %d: not %s: %s", f.Number, f.Promise, f.What)
}

// Checked counts what Check has gone through.
type Checked struct {
	From, To      uint64 // first and last number; none if To+1 == From
	Blocks        uint64
	Missing       uint64 // rows of failed_blocks
	Transactions  uint64
	Logs          uint64
	Links         uint64 // pairs of neighbours
	NotComputable uint64 // blocks with a check that can't be computed on this chain
	KnownWrong    uint64 // blocks that are stored although a check failed, and say so

	Exempt []Exempt               // what can't be computed on this chain
	Wrong  map[chain.Check]uint64 // KnownWrong by check

	Incomplete uint64 // blocks of which not all checks were made when they were stored
	Faults     uint64
}

// A Checker proves all promises of a file from the file alone. It writes
// nothing, reads in chunks and, but for SQLite's own integrity check, holds no
// snapshot for long, so that it can run beside the process that writes.
type Checker struct {
	// From and To bound the block numbers; nil is the file's own bound. With
	// either, only blocks are looked at, not the file around them.
	From, To *uint64
	// Fault is called for each fault: first those of the file as a whole, then
	// those of blocks, last what is above the head. A fault that later blocks might
	// have excused comes after them, the others in order of their numbers.
	Fault func(Fault)
	// Incomplete, if set, is called for each block without a fault of which not
	// all checks were made when it was stored: [Store.Complete] adds them.
	Incomplete func(number uint64)
	// Progress, if set, is called after each chunk.
	Progress func(done, total uint64)
}

// Check goes through the file. Its error says that it could not, not that a
// promise is broken.
func (c Checker) Check(ctx context.Context, r *Reader) (Checked, error) {
	run := checkRun{Checker: c, reader: r}
	err := run.all(ctx)
	return run.done, err
}

// A checkRun is one run of a Checker.
type checkRun struct {
	Checker
	reader *Reader
	id     Identity
	proof  proof
	done   Checked
}

func (c *checkRun) fault(promise string, number uint64, format string, args ...any) {
	c.done.Faults++
	c.Fault(Fault{Promise: promise, Number: number, What: fmt.Sprintf(format, args...)})
}

func (c *checkRun) all(ctx context.Context) error {
	wholeFile := c.From == nil && c.To == nil
	if wholeFile {
		if err := c.sound(ctx); err != nil {
			return err
		}
	}
	if err := c.bounds(ctx); err != nil {
		return err
	}
	if wholeFile {
		if err := c.reader.snapshot(ctx, c.belowStart); err != nil {
			return err
		}
	}
	if err := c.prepareProof(ctx, wholeFile); err != nil {
		return err
	}
	if err := c.chunks(ctx); err != nil {
		return err
	}
	c.report(c.proof.end(&c.done))
	if wholeFile {
		return c.reader.snapshot(ctx, c.aboveHead)
	}
	return nil
}

// prepareProof takes the file's word for what its blocks can't show: which checks
// can't be computed, where the blocks that have shown it were pruned, or are not
// looked at.
func (c *checkRun) prepareProof(ctx context.Context, wholeFile bool) (err error) {
	c.proof.known = chain.KnownClient(c.id.Client)
	if c.proof.allowed, err = c.reader.WrongAllowed(ctx); err != nil {
		return err
	}
	kept, err := c.reader.Exemptions(ctx)
	for _, e := range kept {
		if !wholeFile || e.From < c.id.Start {
			c.proof.exempt = c.proof.exempt.With(e)
		}
	}
	return err
}

func (c *checkRun) report(faults []Fault) {
	for _, f := range faults {
		c.done.Faults++
		c.Fault(f)
	}
}

// bounds works out the first and last block number.
func (c *checkRun) bounds(ctx context.Context) (err error) {
	if c.id, err = c.reader.Identity(ctx); err != nil {
		return err
	}
	start, next, err := c.reader.Bounds(ctx)
	if err != nil {
		return err
	}
	c.done.From, c.done.To = start, next-1
	if c.From != nil {
		c.done.From = min(max(*c.From, start), next)
	}
	if c.To != nil && *c.To < next {
		c.done.To = max(*c.To+1, c.done.From) - 1
	}
	return nil
}

func (c *checkRun) chunks(ctx context.Context) error {
	end := c.done.To + 1
	for first := c.done.From; first < end; {
		next, err := c.untracked(ctx, first, end)
		if err == nil && next == first {
			next, err = c.chunk(ctx, first)
		}
		if err != nil {
			return fmt.Errorf("check blocks from %d: %w", first, err)
		}
		if first = next; c.Progress != nil {
			c.Progress(first-c.done.From, end-c.done.From)
		}
	}
	return nil
}

// untracked passes a long run of numbers that are in no table, and gives its end.
func (c *checkRun) untracked(ctx context.Context, first, end uint64) (uint64, error) {
	next, err := c.reader.passUntracked(ctx, first)
	if next = min(next, end); err == nil && next > first {
		c.fault(Coverage, first, "is neither stored nor known to be missing, nor is any other up to %d", next-1)
	}
	return next, err
}

// chunk reads as many numbers as it may in one snapshot, and checks them without
// one. The next chunk begins at next.
func (c *checkRun) chunk(ctx context.Context, first uint64) (next uint64, err error) {
	s := checkSnapshot{first: first, genesis: c.id.Genesis}
	err = c.reader.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error { return s.read(ctx, tx, c.done.To) })
	if err != nil {
		return 0, err
	}
	faults, err := s.check(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range s.blocks {
		if l.made {
			faults = append(faults, c.proof.add(l, &c.done)...)
		}
		if l.otherTransfers {
			faults = append(faults, Fault{Whole, l.block.Number, "its transfers are not those of its logs"})
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Number, b.Number) })
	c.report(faults)
	wrong := make(map[uint64]bool)
	for _, f := range faults {
		wrong[f.Number] = true
	}
	s.count(&c.done)
	for _, l := range s.blocks {
		if c.Incomplete != nil && l.row.verdict.Missing() != 0 && !wrong[l.block.Number] {
			c.Incomplete(l.block.Number)
		}
	}
	if s.first >= s.end { // it was rewound, but there may be more again
		return min(first+rangeBlocks, c.done.To+1), nil
	}
	return s.end, nil
}

// snapshot runs fn in a transaction that reads.
func (r *Reader) snapshot(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return explain(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return explain(fn(ctx, tx))
}
