// Package store holds the database file: the one goroutine that writes to it,
// the readers, and the checker of everything the file promises.
//
// A [Store] is the file under its lock, for writing. A [Reader] reads it, in
// the same process or in another. Exported methods are transactions;
// unexported functions work inside one.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Store is a database file open for writing. Only one process has it.
type Store struct {
	*Reader
	lock *lock

	requests chan request
	closing  sync.Once
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed when run has ended

	writer *writer // run's own
	closed error   // what came of closing; set by run before stopped is closed

	mu      sync.Mutex // guards what follows
	changed chan struct{}
}

// Open opens or makes the file at path for writing and brings its schema up to
// date. It fails with [ErrLocked] if another process has it, by whatever links, and
// with [ErrLinked], [ErrUnwritable], [ErrForeign], [ErrOlder], [ErrNewer],
// [ErrAltered] or [ErrCorrupt]; the file is then as it was.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	TempBeside(path)
	if err := errors.Join(writable(path), single(path)); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = ownWAL(path)
	var s *Store
	if err == nil {
		s, err = open(ctx, path, lock)
	}
	if err != nil {
		_ = lock.release()
		return nil, fmt.Errorf("open %s: %w", path, explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string, lock *lock) (*Store, error) {
	isNew, err := inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, "rwc", fmt.Sprintf("busy_timeout(%d)", busyWait)))
	if err != nil {
		return nil, err
	}
	return start(ctx, path, lock, db, isNew)
}

// start takes over db, which it closes if it fails.
func start(ctx context.Context, path string, lock *lock, db *sql.DB, isNew bool) (*Store, error) {
	w, err := newWriter(ctx, db, isNew)
	if err != nil {
		return nil, err
	}
	w.stay(path)
	reader, err := openReader(ctx, path, "ro")
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	reader.opened = nil // a rotation opens another
	s := &Store{
		Reader: reader, lock: lock, writer: w,
		requests: make(chan request),
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
		changed:  make(chan struct{}),
	}
	go s.run()
	return s, nil
}

// run serves requests until Close, then closes the file. The writer's connection
// goes last: one that only reads can't take the -wal into the file.
func (s *Store) run() {
	defer close(s.stopped)
	s.writer.run(s.requests, s.quit)
	s.closed = errors.Join(s.Reader.Close(), s.writer.end(), s.lock.release())
}

// Close waits for the writer to finish what it has taken, closes the file, and
// gives up the lock. No -wal stays if nobody reads any more.
func (s *Store) Close() error {
	s.closing.Do(func() { close(s.quit) })
	<-s.stopped
	return s.closed
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

// now is the time that rows carry.
func now() int64 { return time.Now().UnixMilli() }
