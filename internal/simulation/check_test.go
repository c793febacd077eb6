package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// checkFile proves all promises of a file that nobody has open, if there is one
// and its making did not fail.
func checkFile(path string) error {
	ctx := context.Background()
	if made, err := isMade(path); err != nil || !made {
		return err
	}
	r, err := store.OpenReader(ctx, path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer r.Close()
	var faults []error
	checker := store.Checker{Fault: func(f store.Fault) { faults = append(faults, errors.New(f.String())) }}
	if _, err := checker.Check(ctx, r); err != nil && !errors.Is(err, store.ErrNoChain) {
		return fmt.Errorf("check %s: %w", path, err)
	}
	return errors.Join(faults...)
}

// isMade reports whether a file has a schema.
func isMade(path string) (bool, error) {
	if _, err := os.Stat(path); err != nil {
		return false, nil
	}
	db, err := openSQL(path)
	if err != nil {
		return false, err
	}
	defer db.Close()
	var version int
	err = db.QueryRow(`PRAGMA user_version`).Scan(&version)
	return version > 0, err
}

// gone reports whether the chain has nothing of a file but perhaps its first
// block, and does not only end below it.
func (w *world) gone(path string) bool {
	ctx, c := context.Background(), w.chain()
	r, err := store.OpenReader(ctx, path)
	if err != nil {
		return false
	}
	defer r.Close()
	id, err := r.Identity(ctx)
	if err != nil || id.Genesis != c.Blocks[0].Hash {
		return err == nil
	}
	ours, err := r.HashesBetween(ctx, id.Start+1, id.Start+1000)
	other := len(ours) == 0 || w.takesBack()
	for _, a := range ours {
		switch b := c.Block(a.Number); {
		case b == nil:
		case b.Hash == a.Hash:
			return false
		default:
			other = true
		}
	}
	return err == nil && other
}

// complete says what is not yet as it should be. What is missing counts if the
// file is to be whole.
func complete(ctx context.Context, s *store.Store, c *recorded.Chain, target, head uint64, whole bool) error {
	next, err := s.Next(ctx)
	if err != nil {
		return err
	}
	if next <= target || next > head+1 { // what we stay behind may be there already
		return fmt.Errorf("next block is %d, want %d to %d", next, target+1, head+1)
	}
	failed, err := s.FailedFrom(ctx, 0, 5)
	if err != nil || whole && len(failed) > 0 {
		return fmt.Errorf("missing: %+v (%w)", failed, err)
	}
	top, err := s.Highest(ctx, head)
	if err != nil {
		return err
	}
	if top == nil && !whole {
		return nil
	}
	if top == nil || top.Hash != c.Block(top.Number).Hash {
		return fmt.Errorf("the tip is %v, want %s", top, c.Block(head).Hash)
	}
	return nil
}

// equal compares every field of every block with the chain.
func equal(ctx context.Context, s *store.Store, c *recorded.Chain, start, head uint64) error {
	for number := start; number <= head; number++ {
		want := c.Block(number)
		got, err := s.Block(ctx, number)
		if err != nil {
			return err
		}
		if err := sameJSON(got.AppendBlock(nil, true), want.Block); err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		if err := sameJSON(got.AppendReceipts(nil), want.Receipts); err != nil {
			return fmt.Errorf("receipts of block %d: %w", number, err)
		}
		if v := got.Verdict; v.Failed != 0 {
			return fmt.Errorf("block %d has verdict %+v", number, v)
		}
	}
	return nil
}

func sameJSON(got, want []byte) error {
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal(want, &b)); err != nil {
		return err
	}
	if diff := cmp.Diff(b, a); diff != "" {
		return fmt.Errorf("differs (-want +got)\n%s", diff)
	}
	return nil
}
