package store

import (
	"context"
	"database/sql"
	"sync"
)

// A pool is the connections of a Reader. A rotation puts others in their place;
// whoever asks meanwhile waits for them.
type pool struct {
	mu sync.RWMutex // guards db
	db *sql.DB
}

func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.QueryContext(ctx, query, args...)
}

func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.QueryRowContext(ctx, query, args...)
}

func (p *pool) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.BeginTx(ctx, o)
}

func (p *pool) Conn(ctx context.Context) (*sql.Conn, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.Conn(ctx)
}

func (p *pool) close() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.db.Close()
}

// swap closes the connections and opens others.
func (p *pool) swap(open func() (*sql.DB, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.db.Close(); err != nil {
		return err
	}
	db, err := open()
	if db != nil {
		p.db = db
	}
	return err
}
