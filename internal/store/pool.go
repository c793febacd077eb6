package store

import (
	"context"
	"database/sql"
	"sync"
)

// A pool is the connections of a Reader. A rotation puts others in their place,
// as does a writer that comes to a file that was read as one that can't change;
// whoever asks meanwhile waits for them.
type pool struct {
	mu       sync.RWMutex // guards what follows
	db       *sql.DB
	sessions *sessions // of db, or of the one before
	frozen   *frozen   // nil if SQLite itself looks for changes
}

func newPool(db *sql.DB) pool { return pool{db: db, sessions: newSessions(db)} }

func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p.thaw(ctx)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.QueryContext(ctx, query, args...)
}

func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p.thaw(ctx)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.QueryRowContext(ctx, query, args...)
}

func (p *pool) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	p.thaw(ctx)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.BeginTx(ctx, o)
}

func (p *pool) Conn(ctx context.Context) (*sql.Conn, error) {
	p.thaw(ctx)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.Conn(ctx)
}

// take takes a session, to be given back.
func (p *pool) take(ctx context.Context) (*session, error) {
	p.thaw(ctx)
	for {
		s, err := p.current().take(ctx)
		if err != errSwapped {
			return s, err
		}
	}
}

// current gives the sessions of the connections that there are now.
func (p *pool) current() *sessions {
	p.mu.RLock()
	sessions, db := p.sessions, p.db
	p.mu.RUnlock()
	if sessions.db == db {
		return sessions
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions.db != p.db {
		p.sessions.close(errSwapped)
		p.sessions = newSessions(p.db)
	}
	return p.sessions
}

func (p *pool) close() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	p.sessions.close(ErrClosed)
	return p.db.Close()
}

// swap closes the connections and opens others.
func (p *pool) swap(open func() (*sql.DB, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions.close(errSwapped)
	defer func() { p.sessions = newSessions(p.db) }()
	if err := p.db.Close(); err != nil {
		return err
	}
	db, err := open()
	if db != nil {
		p.db = db
	}
	return err
}
