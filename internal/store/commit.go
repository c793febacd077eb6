package store

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// An Entry is what becomes of one block number: its block or its failure.
// Exactly one of the two is set.
type Entry struct {
	Block   *chain.Block
	Failure *chain.Failure
}

// Number is the entry's block number.
func (e Entry) Number() uint64 {
	if e.Block != nil {
		return e.Block.Number
	}
	return e.Failure.Number
}

// An Anchor is what the node now gives as the hash of a block that is stored.
type Anchor struct {
	Number uint64
	Hash   common.Hash
}

// Commit moves the head past the entries, whose numbers follow on from it, in
// one transaction. It returns once that is durable.
//
// A block must link to the block before it, else Commit fails with a
// [*ForkError]. Above a run of missing blocks there is none to link to: then
// the anchors must have the node's present hash of the highest stored block
// below each run.
func (s *Store) Commit(ctx context.Context, entries []Entry, anchors ...Anchor) error {
	if len(entries) == 0 {
		return nil
	}
	return s.write(ctx, func(w *writer) error { return w.commit(entries, anchors) })
}

func (w *writer) commit(entries []Entry, anchors []Anchor) error {
	next, err := w.next()
	if err != nil {
		return err
	}
	below, err := w.stored(next)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case e.Number() != next:
			return fmt.Errorf("commit: block %d is not the next, which is %d", e.Number(), next)
		case next > mostNumber:
			return fmt.Errorf("commit: block %d is past %d, the last that fits the file", next, uint64(mostNumber))
		case e.Block == nil:
			err = w.insertFailure(e.Failure)
		default:
			if err = below.carries(e.Block, anchors); err == nil {
				err = w.insert(e.Block)
			}
			below = &Anchor{e.Block.Number, e.Block.Hash}
		}
		if err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		next++
	}
	return w.journalEntries(entries)
}

// insert stores a block if it is whole and, as block 0, that of the file's
// identity.
func (w *writer) insert(b *chain.Block) error {
	if len(b.Uncles) != len(b.UncleHashes) {
		return fmt.Errorf("block %d has %d of %d uncle headers", b.Number, len(b.Uncles), len(b.UncleHashes))
	}
	if b.Number == 0 {
		var genesis common.Hash
		if _, err := w.get(`SELECT genesis_hash FROM chain`, nil, []any{fixed(genesis[:])}); err != nil {
			return err
		}
		if b.Hash != genesis {
			return &ForkError{Want: genesis, Got: b.Hash}
		}
	}
	if b.Verdict.Failed != 0 {
		if err := w.allowWrong(); err != nil {
			return err
		}
	}
	return w.rows.insert(b, now())
}

// allowWrong keeps that the file has blocks of which a check failed. A verdict
// that says so is believed in no other file.
func (w *writer) allowWrong() error {
	return w.exec(`UPDATE chain SET wrong_allowed_at = ? WHERE wrong_allowed_at IS NULL`, now())
}

// carries checks that b can stand on a, the highest stored block below it.
func (a *Anchor) carries(b *chain.Block, anchors []Anchor) error {
	switch {
	case a == nil: // nothing is stored below
		return nil
	case a.Number+1 == b.Number:
		if b.ParentHash != a.Hash {
			return &ForkError{Number: b.Number, Neighbour: a.Number, Want: a.Hash, Got: b.ParentHash}
		}
		return nil
	}
	for _, given := range anchors {
		if given.Number != a.Number {
			continue
		}
		if given.Hash != a.Hash {
			return &ForkError{Number: b.Number, Neighbour: a.Number, Want: a.Hash, Got: given.Hash}
		}
		return nil
	}
	return fmt.Errorf("block %d is above a gap, and nothing says that block %d below it still stands", b.Number, a.Number)
}

// next derives the next block number: one past the highest in either table.
func (w *writer) next() (uint64, error) {
	var next int64
	ok, err := w.get(nextQuery, nil, []any{&next})
	if err == nil && !ok {
		err = ErrNoChain
	}
	return uint64(next), err
}

// bounds gives the start block and the next block number.
func (w *writer) bounds() (start, next uint64, err error) {
	ok, err := w.get(boundsQuery, nil, []any{integer{&start}, integer{&next}})
	if err == nil && !ok {
		err = ErrNoChain
	}
	return start, next, err
}

var boundsQuery = `SELECT start_block, (` + nextQuery + `) FROM chain`

// Numbers past the last that fits are somebody else's doing: [Checker] tells of them.
var nextQuery = fmt.Sprintf(`SELECT MAX(start_block,
	IFNULL((SELECT MAX(number) FROM blocks WHERE number <= %[1]d) + 1, 0),
	IFNULL((SELECT MAX(block_number) FROM failed_blocks WHERE block_number <= %[1]d) + 1, 0)) FROM chain`, int64(mostNumber))

// stored gives the highest stored block below a number, nil if there is none.
func (w *writer) stored(below uint64) (*Anchor, error) {
	return w.anchor(`SELECT number, hash FROM blocks WHERE number < ? ORDER BY number DESC LIMIT 1`, below)
}

func (w *writer) anchor(query string, number uint64) (*Anchor, error) {
	var a Anchor
	ok, err := w.get(query, []any{int64(number)}, []any{integer{&a.Number}, fixed(a.Hash[:])})
	if !ok {
		return nil, err
	}
	return &a, nil
}
