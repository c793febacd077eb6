package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"

	"gapless/schema"
)

// A request is one transaction for the writer, or what it shall do between
// two.
type request struct {
	fn      func(*writer) error
	between bool       // fn is no transaction
	done    chan error // buffered, 1
}

// write hands fn to the writer, which runs it in a transaction of its own. If
// ctx ends before the writer takes fn, nothing was written; once taken, write
// waits for the outcome whatever becomes of ctx, so that a caller never holds
// an unknown result. When it returns nil, what fn wrote is synced.
func (s *Store) write(ctx context.Context, fn func(*writer) error) error {
	return s.hand(ctx, request{fn: fn, done: make(chan error, 1)})
}

func (s *Store) hand(ctx context.Context, r request) error {
	err := s.ask(ctx, r)
	if err == nil {
		s.tell()
	}
	return err
}

// Answers returns once the writer takes requests. It fails with ctx if the
// writer is at something else until then, or hangs.
func (s *Store) Answers(ctx context.Context) error {
	return s.ask(ctx, request{done: make(chan error, 1), between: true, fn: func(*writer) error { return nil }})
}

func (s *Store) ask(ctx context.Context, r request) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.requests <- r:
		return explain(<-r.done)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.quit:
		return ErrClosed
	}
}

// A writer owns the connection that writes. Its methods are for the function
// of a request, inside the transaction.
type writer struct {
	db   *sql.DB
	conn *sql.Conn

	statements map[string]*sql.Stmt
	rows       *rows
	rewinds    atomic.Uint64         // since the file was opened; read by others too
	rotated    string                // name of the file that this one took the place of, until it is identified
	schema     int64                 // SQLite's count of changes of the schema, when last looked at
	litestream bool                  // Litestream replicates the file
	places     [3]place              // the file and what SQLite keeps beside it
	moved      atomic.Pointer[error] // the ErrMoved that was found; read by others too
	rescued    string                // where what a file held is that was taken away
}

// newWriter takes over db for the one connection that writes, brings the file
// up to date and prepares. If it fails, it closes db.
func newWriter(ctx context.Context, db *sql.DB, isNew bool) (*writer, error) {
	w := &writer{db: db, statements: make(map[string]*sql.Stmt)}
	if err := w.open(ctx, isNew); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) open(ctx context.Context, isNew bool) (err error) {
	w.db.SetMaxOpenConns(1)
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	if err := prepareFile(ctx, w.conn, isNew); err != nil {
		return err
	}
	if err := w.lookForLitestream(); err != nil {
		return err
	}
	if err := w.migrate(ctx, schema.All()); err != nil {
		return err
	}
	w.rows = newRows(w.conn)
	return nil
}

// migrate brings the file up to date. Indexes that were postponed in it still are.
func (w *writer) migrate(ctx context.Context, known schema.Migrations) error {
	had, err := readIndexes(ctx, w.conn)
	if err != nil {
		return err
	}
	if err := known.Migrate(ctx, w.conn); err != nil || len(had) == 0 { // it was empty
		return err
	}
	for _, name := range postponed {
		if slices.ContainsFunc(had, func(i index) bool { return i.name == name }) {
			continue
		}
		if _, err := w.conn.ExecContext(ctx, `DROP INDEX IF EXISTS `+name); err != nil {
			return err
		}
	}
	return nil
}

// run serves requests until quit is closed.
func (w *writer) run(requests <-chan request, quit <-chan struct{}) {
	for {
		select {
		case r := <-requests:
			r.done <- w.serve(r)
		case <-quit:
			return
		}
	}
}

func (w *writer) serve(r request) error {
	if r.between {
		return r.fn(w)
	}
	return w.transact(r.fn)
}

// transact runs fn in a transaction. Whatever fails, none stays open; a COMMIT
// that fails is rolled back if it was not applied, so that what the file says
// is the truth.
func (w *writer) transact(fn func(*writer) error) error {
	if err := w.unmoved(); err != nil {
		return err
	}
	err := w.exec(`BEGIN IMMEDIATE`)
	if err == nil {
		err = w.lookForLitestream()
	}
	if err == nil {
		err = fn(w)
	}
	if err == nil {
		err = w.exec(`COMMIT`)
	}
	if err != nil {
		_ = w.exec(`ROLLBACK`) // fails if none is open any more
	}
	return err
}

// close closes the connection and, being the last on the file, SQLite then
// takes the -wal into it. Statements end before the connection does.
func (w *writer) close() error {
	for _, s := range w.statements {
		_ = s.Close()
	}
	w.rows.close()
	if w.conn != nil {
		_ = w.conn.Close() // gives it back to db
	}
	return w.db.Close()
}

// prepared gives a statement that is kept. No statement of the writer has a
// context that can end: it would cost half again, and a request that was taken
// is carried out.
func (w *writer) prepared(query string) (*sql.Stmt, error) {
	if s, ok := w.statements[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.statements[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.affect(query, args...)
	return err
}

// affect runs a statement and counts the rows that it changed.
func (w *writer) affect(query string, args ...any) (int64, error) {
	s, err := w.prepared(query)
	if err != nil {
		return 0, err
	}
	result, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// get reads one row. It reports whether there was one.
func (w *writer) get(query string, args, into []any) (bool, error) {
	s, err := w.prepared(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRow(args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
