// Package store holds the database file: the one goroutine that writes to it,
// the readers, and the checker of everything the file promises.
//
// A [Store] is the file under its lock, for writing. A [Reader] reads it, in
// the same process or in another. Exported methods are transactions;
// unexported functions work inside one.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/schema"
)

// An Identity says which chain a file is of. It never changes.
type Identity struct {
	ChainID uint64
	Genesis common.Hash // of block 0
	Start   uint64      // lowest block number that is indexed
	Client  string      // web3_clientVersion of the first node
	Epoch   [8]byte     // random; names the file in event ids. Set by the store.
}

// A Store is a database file open for writing. Only one process has it.
type Store struct {
	*Reader
	lock *lock

	requests chan request
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer has ended

	mu      sync.Mutex // guards what follows
	changed chan struct{}
}

// Open opens or makes the file at path for writing and brings its schema up to
// date. It fails with [ErrLocked] if another process has it, and with
// [ErrForeign], [ErrNewer] or [ErrCorrupt]; the file is then as it was.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s, err := open(ctx, path, lock)
	if err != nil {
		lock.release()
		return nil, fmt.Errorf("open %s: %w", path, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string, lock *lock) (*Store, error) {
	db, conn, err := openWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	reader, err := newReader(ctx, path)
	if err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	w, err := newWriter(ctx, db, conn)
	if err != nil {
		return nil, errors.Join(err, reader.Close(), conn.Close(), db.Close())
	}
	s := &Store{
		Reader: reader, lock: lock,
		requests: make(chan request),
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
		changed:  make(chan struct{}),
	}
	go func() {
		defer close(s.stopped)
		w.run(s.requests, s.quit)
	}()
	return s, nil
}

// Close waits for the writer to finish what it has taken, closes the file so
// that no -wal stays, and gives up the lock.
func (s *Store) Close() error {
	select {
	case <-s.quit:
		return nil
	default:
		close(s.quit)
	}
	<-s.stopped
	err := s.Reader.Close()
	return errors.Join(err, s.lock.release())
}

// Changed gives a channel that is closed by the next commit. Ask for it before
// reading, so that no change is missed.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// tell wakes those who wait on Changed. It is called after a commit.
func (s *Store) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
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
	case got.ChainID != want.ChainID || got.Genesis != want.Genesis:
		return &IdentityError{File: got, Node: want}
	}
	return nil
}

func (w *writer) identify(id Identity) error {
	var epoch [8]byte
	_, _ = rand.Read(epoch[:]) // does not fail
	return w.exec(`INSERT INTO chain (id, epoch, chain_id, genesis_hash, start_block, client, created_at)
		VALUES (1, ?, ?, ?, ?, ?, ?)`,
		epoch[:], fmt.Sprint(id.ChainID), id.Genesis[:], int64(id.Start), id.Client, time.Now().UnixMilli())
}

// A Tag is a block that the node calls finalized or safe.
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

func (t *Tag) columns() (number, hash any) {
	if t == nil {
		return nil, nil
	}
	return int64(t.Number), t.Hash[:]
}

// openWriter opens the one connection that writes, and migrates.
func openWriter(ctx context.Context, path string) (*sql.DB, *sql.Conn, error) {
	_, statErr := os.Stat(path)
	db, err := sql.Open("sqlite", dsn(path, "rwc", "busy_timeout(5000)"))
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	if err := prepareFile(ctx, conn, errors.Is(statErr, os.ErrNotExist)); err != nil {
		return nil, nil, errors.Join(err, conn.Close(), db.Close())
	}
	return db, conn, nil
}

// prepareFile sets what was measured best (see README) and migrates.
func prepareFile(ctx context.Context, conn *sql.Conn, isNew bool) error {
	if _, err := schema.Current(ctx, conn); err != nil {
		return err // before anything is written
	}
	if isNew {
		if _, err := conn.ExecContext(ctx, `PRAGMA page_size = 8192`); err != nil {
			return err
		}
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("journal mode is %s, not wal: is the file on a network drive?", mode)
	}
	for _, pragma := range []string{
		`synchronous = FULL`, // what was told is never taken back
		`cache_size = -32768`,
		`wal_autocheckpoint = 2000`,
		`journal_size_limit = 67108864`,
	} {
		if _, err := conn.ExecContext(ctx, `PRAGMA `+pragma); err != nil {
			return err
		}
	}
	return schema.Migrate(ctx, conn)
}

// now is the time that rows carry.
func now() int64 { return time.Now().UnixMilli() }

