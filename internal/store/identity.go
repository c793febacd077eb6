package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
)

// An Identity says which chain a file is of. It never changes, but for
// Start, which [Store.Prune] moves.
type Identity struct {
	ChainID uint64
	Genesis common.Hash // of block 0
	Start   uint64      // lowest block number that is indexed
	Client  string      // web3_clientVersion of the first node
	Fork    *Tag        // where a fork of a live chain begins; nil if it is none
	Epoch   [8]byte     // random; names the file in event ids. Set by the store.
}

// SameChain reports whether two identities are of one chain.
func (id Identity) SameChain(other Identity) bool {
	return id.ChainID == other.ChainID && id.Genesis == other.Genesis &&
		(id.Fork == nil) == (other.Fork == nil) && (id.Fork == nil || *id.Fork == *other.Fork)
}

// Identity says which chain the file is of; [ErrNoChain] if it is new.
func (r *Reader) Identity(ctx context.Context) (id Identity, err error) {
	var chainID string
	var start int64
	var forkNumber *uint64
	var forkHash *common.Hash
	err = r.db.QueryRowContext(ctx, `SELECT chain_id, genesis_hash, start_block, client, epoch, fork_block, fork_hash FROM chain`).
		Scan(&chainID, fixed(id.Genesis[:]), &start, &id.Client, fixed(id.Epoch[:]), optInteger{&forkNumber}, optFixed[common.Hash]{&forkHash})
	if errors.Is(err, sql.ErrNoRows) {
		return id, ErrNoChain
	}
	if err != nil {
		return id, explain(err)
	}
	id.Fork = newTag(forkNumber, forkHash)
	id.Start = uint64(start)
	id.ChainID, err = strconv.ParseUint(chainID, 10, 64)
	return id, err
}

// Identify fixes the identity of a new file, or compares it with that of the
// file: a difference is an [*IdentityError]. The start block and the client
// count only for a new file.
func (s *Store) Identify(ctx context.Context, want Identity) error {
	got, err := s.Identity(ctx)
	switch {
	case errors.Is(err, ErrNoChain):
		return s.write(ctx, func(w *writer) error { return w.identify(want) })
	case err != nil:
		return err
	case !got.SameChain(want):
		return &IdentityError{File: got, Node: want}
	}
	return nil
}

func (w *writer) identify(id Identity) error {
	if id.Start > mostNumber {
		return fmt.Errorf("start block %d is past %d, the last that fits the file", id.Start, uint64(mostNumber))
	}
	var epoch [8]byte
	_, _ = rand.Read(epoch[:]) // does not fail
	forkBlock, forkHash := id.Fork.columns()
	err := w.exec(`INSERT INTO chain (id, epoch, chain_id, genesis_hash, fork_block, fork_hash, start_block, client, created_at)
		VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
		epoch[:], strconv.FormatUint(id.ChainID, 10), id.Genesis[:], forkBlock, forkHash, int64(id.Start), id.Client, now())
	if err != nil || w.rotated == "" {
		return err
	}
	return w.journal(kindReset, id.Start, id.Start, resetDetail{File: w.rotated})
}

// A Tag is a block that the node names: finalized, safe, or where it forked.
type Tag struct {
	Number uint64
	Hash   common.Hash
}

// SetFinality keeps what the node says is finalized and safe. Nil is unknown.
func (s *Store) SetFinality(ctx context.Context, finalized, safe *Tag) error {
	return s.write(ctx, func(w *writer) error {
		fn, fh := finalized.columns()
		sn, sh := safe.columns()
		return w.exec(`UPDATE chain SET finalized_number = ?, finalized_hash = ?, safe_number = ?, safe_hash = ?`,
			fn, fh, sn, sh)
	})
}

// Finality gives what SetFinality has kept. Nil is unknown.
func (r *Reader) Finality(ctx context.Context) (finalized, safe *Tag, err error) {
	err = r.View(ctx, func(v *View) error {
		finalized, safe, err = v.Finality()
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = ErrNoChain
	}
	return finalized, safe, err
}

// newTag makes a tag of two columns, nil where they are NULL.
func newTag(number *uint64, hash *common.Hash) *Tag {
	if number == nil || hash == nil {
		return nil
	}
	return &Tag{*number, *hash}
}

func (t *Tag) columns() (number, hash any) {
	if t == nil {
		return nil, nil
	}
	return clamp(t.Number), t.Hash[:]
}
