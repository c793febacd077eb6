package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// A Reorg is what Rewind tells of the chain that it leaves.
type Reorg struct {
	Ancestor uint64        // the highest block of both chains
	New      []common.Hash // of the new chain, from the ancestor's child on, as far as they are known
}

// Rewind deletes everything above the ancestor, stored or missing, and goes on
// with entries as Commit does, in one transaction. Old and new hashes go to
// the journal. An ancestor just below the start block leaves nothing; one further
// below is an error: that is a reset.
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

// Rewinds counts the rewinds since the file was opened. What was fetched before
// the latest may be of the chain that was left.
func (s *Store) Rewinds() uint64 { return s.writer.rewinds.Load() }

func (w *writer) rewind(r Reorg) error {
	start, next, err := w.bounds()
	if err != nil {
		return err
	}
	switch {
	case r.Ancestor+1 < start:
		return fmt.Errorf("the start block is %d", start)
	case next == 0 || r.Ancestor >= next-1:
		return errors.New("nothing is above it")
	}
	old, err := w.hashesAbove(r.Ancestor)
	if err != nil {
		return err
	}
	if err := w.deleteBlocks(r.Ancestor+1, mostNumber); err != nil {
		return err
	}
	w.rewinds.Add(1)
	return w.journal(kindReorg, r.Ancestor+1, next-1, reorgDetail{
		Depth: next - 1 - r.Ancestor, Old: old, New: append([]common.Hash{}, r.New...)})
}

// deleteBlocks removes all rows of block numbers from first to last, stored or
// missing.
func (w *writer) deleteBlocks(first, last uint64) error {
	for _, table := range []string{"transfers", "logs", "transactions", "withdrawals", "uncles", "blocks", "failed_blocks"} {
		if err := w.exec(`DELETE FROM `+table+` WHERE `+spans[table].where, int64(first), int64(last)); err != nil {
			return err
		}
	}
	return nil
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
