package simulation

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"reflect"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

func openSQL(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// watch checks after each commit what can be checked cheaply.
func (p *program) watch(ctx context.Context, s *store.Store) error {
	db, err := openSQL(s.Path())
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		changed := s.Changed()
		if err := p.cheap(db); err != nil {
			p.fail(err)
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// cheap checks coverage and links, and that each stored block is one that a
// chain really had, in one snapshot.
func (p *program) cheap(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var start, next, stored, missing, both, unlinked int64
	err = tx.QueryRow(`SELECT start_block,
		MAX(start_block, IFNULL((SELECT MAX(number) + 1 FROM blocks), 0), IFNULL((SELECT MAX(block_number) + 1 FROM failed_blocks), 0)),
		(SELECT COUNT(*) FROM blocks), (SELECT COUNT(*) FROM failed_blocks),
		(SELECT COUNT(*) FROM blocks JOIN failed_blocks ON block_number = number),
		(SELECT COUNT(*) FROM blocks AS a JOIN blocks AS b ON b.number = a.number + 1 WHERE b.parent_hash <> a.hash)
		FROM chain`).Scan(&start, &next, &stored, &missing, &both, &unlinked)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if next-start != stored+missing || both != 0 || unlinked != 0 {
		return fmt.Errorf("promise broken: from %d to %d there are %d stored and %d missing, %d both, %d not linked",
			start, next, stored, missing, both, unlinked)
	}
	rows, err := tx.Query(`SELECT number, hash FROM blocks`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number uint64
		var hash []byte
		if err := rows.Scan(&number, &hash); err != nil {
			return err
		}
		if !p.world.has(common.BytesToHash(hash)) {
			return fmt.Errorf("promise broken: block %d is stored as %x, which no chain has", number, hash)
		}
	}
	return rows.Err()
}

// checkFile proves all promises of a file that nobody has open.
func checkFile(path string) error {
	ctx := context.Background()
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

// complete says what is not yet as it should be.
func complete(ctx context.Context, s *store.Store, c *recorded.Chain, target, head uint64) error {
	next, err := s.Next(ctx)
	if err != nil {
		return err
	}
	if next <= target || next > head+1 { // what we stay behind may be there already
		return fmt.Errorf("next block is %d, want %d to %d", next, target+1, head+1)
	}
	failed, err := s.FailedFrom(ctx, 0, 5)
	if err != nil || len(failed) > 0 {
		return fmt.Errorf("missing: %+v (%w)", failed, err)
	}
	top, err := s.Highest(ctx, head)
	if err != nil {
		return err
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
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("is %s, want %s", got, want)
	}
	return nil
}

// copyCommitted copies what a file has committed, whatever is going on.
func copyCommitted(path, to string) error {
	db, err := openSQL(path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`VACUUM INTO ?`, to)
	return err
}

// copyRaw copies the database with its -wal while nobody writes; perhaps a
// write had begun that did not get far.
func copyRaw(path, to string, rng *rand.Rand) error {
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if suffix != "" && errors.Is(err, fs.ErrNotExist) {
			return nil // nobody has it open
		}
		if err != nil {
			return err
		}
		if suffix != "" && rng.IntN(2) == 0 {
			content = append(content, bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(9000))...)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
