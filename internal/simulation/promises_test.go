package simulation

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
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

// A watcher looks after each commit whether the promises hold that can be
// checked cheaply, as a reader of somebody else's.
type watcher struct {
	program *program
	db      *sql.DB
	rotated int       // files put aside before this one
	seq     int64     // of the journal, up to which it was checked
	rewound time.Time // the last time, as the journal has it
}

// watch checks until ctx ends.
func (p *program) watch(ctx context.Context, s *store.Store) (err error) {
	w := &watcher{program: p}
	defer func() { p.fail(err) }()
	defer func() { _ = w.close() }()
	for {
		changed := s.Changed()
		if err := w.look(s.Path()); err != nil {
			return fmt.Errorf("promise broken: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (w *watcher) close() error {
	if w.db == nil {
		return nil
	}
	return w.db.Close()
}

// look checks the file as it is now, in one snapshot.
func (w *watcher) look(path string) (err error) {
	w.program.mu.Lock()
	rotated := w.program.rotated
	w.program.mu.Unlock()
	if w.db == nil || rotated != w.rotated {
		_ = w.close() // it was only read
		*w = watcher{program: w.program, rotated: rotated}
		if w.db, err = openSQL(path); err != nil {
			return err
		}
	}
	tx, err := w.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, check := range []func(*sql.Tx) error{w.covered, w.real, w.final, w.journal} {
		if err := check(tx); err != nil {
			return err
		}
	}
	return nil
}

// covered checks coverage and links.
func (w *watcher) covered(tx *sql.Tx) error {
	var start, next, stored, missing, both, unlinked int64
	err := tx.QueryRow(`SELECT start_block,
		MAX(start_block, IFNULL((SELECT MAX(number) + 1 FROM blocks), 0), IFNULL((SELECT MAX(block_number) + 1 FROM failed_blocks), 0)),
		(SELECT COUNT(*) FROM blocks), (SELECT COUNT(*) FROM failed_blocks),
		(SELECT COUNT(*) FROM blocks JOIN failed_blocks ON block_number = number),
		(SELECT COUNT(*) FROM blocks AS a JOIN blocks AS b ON b.number = a.number + 1 WHERE b.parent_hash <> a.hash)
		FROM chain`).Scan(&start, &next, &stored, &missing, &both, &unlinked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // the file was put aside, and the new one is not bound yet
	}
	if err == nil && (next-start != stored+missing || both != 0 || unlinked != 0) {
		err = fmt.Errorf("from %d to %d there are %d stored and %d missing, %d both, %d not linked",
			start, next, stored, missing, both, unlinked)
	}
	return err
}

// real checks that each stored block is one that a node really had.
func (w *watcher) real(tx *sql.Tx) error {
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
		if _, known := w.program.world.headUntil(common.BytesToHash(hash)); !known {
			return fmt.Errorf("block %d is stored as %x, which no chain has", number, hash)
		}
	}
	return rows.Err()
}

// final checks that a block stays that the nodes call finalized, even if their
// chain is without it.
func (w *watcher) final(tx *sql.Tx) error {
	sworn := w.program.world.swornTo()
	if sworn == nil {
		return nil
	}
	hash, err := stored(tx, sworn.Number)
	if err == nil && hash != sworn.Hash {
		err = fmt.Errorf("block %d is %s, and %s is finalized", sworn.Number, hash, sworn.Hash)
	}
	return err
}

// stored gives the hash of a stored block, zero if it is not stored.
func stored(tx *sql.Tx, number uint64) (common.Hash, error) {
	var hash []byte
	err := tx.QueryRow(`SELECT hash FROM blocks WHERE number = ?`, int64(number)).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return common.BytesToHash(hash), err
}

// A journalRow is what the journal tells of a fill or a reorg.
type journalRow struct {
	seq, at int64
	kind    string
	first   uint64
	detail  []byte
}

// journal checks what the journal has told since.
func (w *watcher) journal(tx *sql.Tx) error {
	rows, err := journalAfter(tx, w.seq)
	if err != nil {
		return err
	}
	for i, row := range rows {
		switch {
		case row.kind == "reorg":
			w.rewound = time.UnixMilli(row.at)
			if w.seq > 0 && i == len(rows)-1 {
				err = w.replaced(tx, row)
			}
		case w.seq > 0:
			err = w.filled(tx, row)
		}
		if err != nil {
			return err
		}
	}
	return tx.QueryRow(`SELECT IFNULL(MAX(seq), 1) FROM journal`).Scan(&w.seq)
}

func journalAfter(tx *sql.Tx, seq int64) (found []journalRow, err error) {
	rows, err := tx.Query(`SELECT seq, kind, at, first_block, IFNULL(detail, '') FROM journal
		WHERE seq > ? AND kind IN ('filled', 'reorg') ORDER BY seq`, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r journalRow
		if err := rows.Scan(&r.seq, &r.kind, &r.at, &r.first, &r.detail); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// filled checks that a block that came in was asked for after the chain was
// rewound for the last time before.
func (w *watcher) filled(tx *sql.Tx, row journalRow) error {
	hash, err := stored(tx, row.first)
	if err != nil || hash == (common.Hash{}) {
		return err // it is gone by now
	}
	if asked := w.program.askedAt(hash); asked.Before(w.rewound) {
		err = fmt.Errorf("block %d was filled in with what was asked for at %s, before the rewind at %s",
			row.first, asked.Sub(w.program.world.began), w.rewound.Sub(w.program.world.began))
	}
	return err
}

// replaced checks that blocks went because others were in hand, or because a
// node's chain ended there not long ago.
func (w *watcher) replaced(tx *sql.Tx, row journalRow) error {
	const longAgo = 3 * time.Minute
	var detail struct{ New []common.Hash }
	if err := json.Unmarshal(row.detail, &detail); err != nil {
		return err
	}
	for _, hash := range detail.New {
		if _, known := w.program.world.headUntil(hash); !known {
			return fmt.Errorf("the file was rewound below block %d for %s, which no chain has", row.first, hash)
		}
	}
	if len(detail.New) == 0 && !w.program.world.takesBack() {
		return fmt.Errorf("the file was rewound below block %d with nothing in hand, by nodes that take nothing back", row.first)
	}
	ancestor, err := stored(tx, row.first-1)
	if err != nil || len(detail.New) > 0 || ancestor == (common.Hash{}) {
		return err
	}
	if until, _ := w.program.world.headUntil(ancestor); until.Before(time.UnixMilli(row.at).Add(-longAgo)) {
		err = fmt.Errorf("the file was rewound below block %d with nothing in hand", row.first)
	}
	return err
}

// toldAfter checks that failures are told of after they were committed.
func (p *program) toldAfter(ctx context.Context, s *store.Store, failures []*chain.Failure) {
	for _, f := range failures {
		_, err := s.Failed(ctx, f.Number)
		if !errors.Is(err, store.ErrNotFound) {
			continue
		}
		if at, err := s.HashesBetween(ctx, f.Number, f.Number); err == nil && len(at) == 0 {
			p.fail(fmt.Errorf("promise broken: block %d is told to be missing, and the file does not say so", f.Number))
		}
	}
}
