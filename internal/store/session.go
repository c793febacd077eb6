package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// mostSessions is how many connections are for views. A look-up takes tens of
// microseconds, so that more of them would only wait for the processor.
const mostSessions = 6

// errSwapped: the connections are those of a file that was put aside.
var errSwapped = errors.New("the file was put aside")

// A session is a connection with the statements that were prepared on it, as
// the writer has. Compiling a statement takes longer than most look-ups.
type session struct {
	of         *sessions
	conn       *sql.Conn
	statements map[string]*sql.Stmt
	indexed    bool // see View.indexed
}

// prepared gives a statement that is kept.
func (s *session) prepared(query string) (*sql.Stmt, error) {
	if p, ok := s.statements[query]; ok {
		return p, nil
	}
	p, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.statements[query] = p
	}
	return p, err
}

func (s *session) exec(query string) error {
	p, err := s.prepared(query)
	if err == nil {
		_, err = p.Exec()
	}
	return err
}

func (s *session) close() {
	for _, p := range s.statements {
		_ = p.Close()
	}
	_ = s.conn.Close() // only reads
}

// sessions are those of one handle on a file.
type sessions struct {
	db   *sql.DB
	room chan struct{} // has an entry for each session that is taken
	quit chan struct{} // closed by close

	mu     sync.Mutex // guards what follows
	free   []*session
	closed error // why there are none any more
}

func newSessions(db *sql.DB) *sessions {
	return &sessions{db: db, room: make(chan struct{}, mostSessions), quit: make(chan struct{})}
}

// take waits for a session and takes it. It is to be given back soon.
func (p *sessions) take(ctx context.Context) (*session, error) {
	select {
	case p.room <- struct{}{}:
	case <-p.quit:
		return nil, p.closed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s, err := p.get()
	if err != nil {
		<-p.room
	}
	return s, err
}

func (p *sessions) get() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return nil, p.closed
	}
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		return s, nil
	}
	conn, err := p.db.Conn(context.Background()) // opens one, nobody is waited for
	if err != nil {
		return nil, err
	}
	return &session{of: p, conn: conn, statements: make(map[string]*sql.Stmt)}, nil
}

// giveBack lets others have the session.
func (s *session) giveBack() {
	p := s.of
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		s.close()
	} else {
		p.free = append(p.free, s)
	}
	<-p.room
}

// close closes the sessions; those that are taken, when they are given back.
func (p *sessions) close(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != nil {
		return
	}
	p.closed = why
	close(p.quit)
	for _, s := range p.free {
		s.close()
	}
	p.free = nil
}
