package store

import (
	"context"
	"encoding/json"
	"errors"
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
		if e.Number() != next {
			return fmt.Errorf("commit: block %d is not the next, which is %d", e.Number(), next)
		}
		if e.Block == nil {
			err = w.insertFailure(e.Failure)
		} else {
			if err = below.carries(e.Block, anchors); err == nil {
				err = w.rows.insert(e.Block)
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

const nextQuery = `SELECT MAX(start_block,
	IFNULL((SELECT MAX(number) FROM blocks) + 1, 0),
	IFNULL((SELECT MAX(block_number) FROM failed_blocks) + 1, 0)) FROM chain`

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

// Fill stores a block that was missing and clears its row of failed_blocks,
// both or neither. If there is no such row any more, or it was skipped, the
// fill is [ErrObsolete]; if the block does not fit a stored neighbour, a
// [*ForkError]. Either way nothing is changed.
func (s *Store) Fill(ctx context.Context, b *chain.Block) error {
	return s.write(ctx, func(w *writer) error { return w.fill(b) })
}

func (w *writer) fill(b *chain.Block) error {
	n, err := w.affect(`DELETE FROM failed_blocks WHERE block_number = ? AND skipped_at IS NULL`, int64(b.Number))
	switch {
	case err != nil:
		return fmt.Errorf("fill: block %d: %w", b.Number, err)
	case n == 0:
		return ErrObsolete
	}
	if err := w.fits(b); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if err := w.rows.insert(b); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return w.journal(kindFilled, b.Number, b.Number, nil)
}

// fits compares a block with its stored neighbours.
func (w *writer) fits(b *chain.Block) error {
	if b.Number > 0 {
		below, err := w.anchor(`SELECT number, hash FROM blocks WHERE number = ?`, b.Number-1)
		if err != nil {
			return err
		}
		if below != nil && below.Hash != b.ParentHash {
			return &ForkError{Number: b.Number, Neighbour: below.Number, Want: below.Hash, Got: b.ParentHash}
		}
	}
	above, err := w.anchor(`SELECT number, parent_hash FROM blocks WHERE number = ?`, b.Number+1)
	if err != nil {
		return err
	}
	if above != nil && above.Hash != b.Hash {
		return &ForkError{Number: b.Number, Neighbour: above.Number, Want: above.Hash, Got: b.Hash}
	}
	return nil
}

// A Reorg is what Rewind tells of the chain that it leaves.
type Reorg struct {
	Ancestor uint64        // the highest block of both chains
	New      []common.Hash // of the new chain, from the ancestor's child on, as far as they are known
}

// Rewind deletes everything above the ancestor, stored or missing, and goes on
// with entries as Commit does, in one transaction. Old and new hashes go to
// the journal. An ancestor below the start block is an error: that is a reset.
func (s *Store) Rewind(ctx context.Context, r Reorg, entries []Entry, anchors ...Anchor) error {
	return s.write(ctx, func(w *writer) error {
		if err := w.rewind(r); err != nil {
			return fmt.Errorf("rewind to block %d: %w", r.Ancestor, err)
		}
		if len(entries) == 0 {
			return nil
		}
		return w.commit(entries, anchors)
	})
}

func (w *writer) rewind(r Reorg) error {
	next, err := w.next()
	if err != nil {
		return err
	}
	var start int64
	if _, err := w.get(`SELECT start_block FROM chain`, nil, []any{&start}); err != nil {
		return err
	}
	switch {
	case r.Ancestor < uint64(start):
		return fmt.Errorf("the start block is %d", start)
	case r.Ancestor+1 >= next:
		return errors.New("nothing is above it")
	}
	old, err := w.hashesAbove(r.Ancestor)
	if err != nil {
		return err
	}
	first := firstID(r.Ancestor + 1)
	for _, query := range []string{
		`DELETE FROM transfers WHERE log_id >= ?`,
		`DELETE FROM logs WHERE id >= ?`,
		`DELETE FROM transactions WHERE id >= ?`,
		`DELETE FROM withdrawals WHERE id >= ?`,
		`DELETE FROM uncles WHERE id >= ?`,
	} {
		if err := w.exec(query, first); err != nil {
			return err
		}
	}
	for _, query := range []string{
		`DELETE FROM blocks WHERE number > ?`,
		`DELETE FROM failed_blocks WHERE block_number > ?`,
	} {
		if err := w.exec(query, int64(r.Ancestor)); err != nil {
			return err
		}
	}
	return w.journal(kindReorg, r.Ancestor+1, next-1, reorgDetail{Depth: next - 1 - r.Ancestor, Old: old, New: r.New})
}

// reorgDetail is the journal's JSON for a reorg.
type reorgDetail struct {
	Depth uint64        `json:"depth"` // block numbers left behind
	Old   []common.Hash `json:"old"`   // stored blocks that went, lowest first
	New   []common.Hash `json:"new"`   // blocks that came, lowest first, as far as known
}

func (w *writer) hashesAbove(number uint64) ([]common.Hash, error) {
	s, err := w.prepared(`SELECT hash FROM blocks WHERE number > ? ORDER BY number`)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(int64(number))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []common.Hash{}
	for rows.Next() {
		var h common.Hash
		if err := rows.Scan(fixed(h[:])); err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	return found, rows.Err()
}

// The kinds of journal rows.
const (
	kindBlocks = "blocks"
	kindFailed = "failed"
	kindFilled = "filled"
	kindReorg  = "reorg"
	kindReset  = "reset"
)

// journalKept is how many rows of kind blocks are kept, at least.
const journalKept = 100_000

// journalEntries adds a row for each run of blocks and for each failure.
func (w *writer) journalEntries(entries []Entry) error {
	for i := 0; i < len(entries); {
		run := i
		for run < len(entries) && entries[run].Block != nil {
			run++
		}
		if run > i {
			if err := w.journal(kindBlocks, entries[i].Number(), entries[run-1].Number(), nil); err != nil {
				return err
			}
			i = run
			continue
		}
		f := entries[i].Failure
		if err := w.journal(kindFailed, f.Number, f.Number, failedDetail{Class: f.Class, Message: f.Message}); err != nil {
			return err
		}
		i++
	}
	return w.pruneJournal()
}

// failedDetail is the journal's JSON for a failure.
type failedDetail struct {
	Class   chain.Class `json:"class"`
	Message string      `json:"message"`
}

func (w *writer) journal(kind string, first, last uint64, detail any) error {
	var text any
	if detail != nil {
		encoded, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		text = string(encoded)
	}
	return w.exec(`INSERT INTO journal (kind, at, first_block, last_block, detail) VALUES (?, ?, ?, ?, ?)`,
		kind, now(), int64(first), int64(last), text)
}

// pruneJournal drops old rows of kind blocks, which only repeat what blocks
// says. It works once in a while, so that most commits pay nothing.
func (w *writer) pruneJournal() error {
	var last int64
	if _, err := w.get(`SELECT IFNULL(MAX(seq), 0) FROM journal`, nil, []any{&last}); err != nil {
		return err
	}
	if last%1000 != 0 || last <= journalKept {
		return nil
	}
	return w.exec(`DELETE FROM journal WHERE kind = ? AND seq <= ?`, kindBlocks, last-journalKept)
}
