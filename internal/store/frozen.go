package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"

	"gapless/schema"
)

// A frozen file is read as one that can't change, because this process may not
// make what SQLite needs to notice changes. Another one may: so it is looked at
// before each question, and from when a writer has come it is read through the
// -wal that the writer has made. A question under way at that moment is safe as
// long as the writer takes to fill a -wal, 16 MB, and take it into the file.
type frozen struct {
	path string
	file os.FileInfo // at the time it was opened
}

func openFrozen(ctx context.Context, path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r, err := openReader(ctx, path, "immutable")
	if err == nil {
		r.db.frozen = &frozen{path, info}
	}
	return r, err
}

// changed reports whether a writer has come, or has come and gone.
func (f *frozen) changed() bool {
	now, err := os.Stat(f.path)
	return err == nil && (unfinished(f.path) || !os.SameFile(now, f.file) ||
		now.Size() != f.file.Size() || !now.ModTime().Equal(f.file.ModTime()))
}

// thaw opens the file again if it was frozen and has changed.
func (p *pool) thaw(ctx context.Context) {
	p.mu.RLock()
	f := p.frozen
	p.mu.RUnlock()
	if f == nil || !f.changed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != f {
		return // another one was quicker
	}
	r, err := openInPlace(ctx, f.path)
	if err == nil {
		r, err = r.upToDate(ctx, schema.All(), false)
	}
	if err != nil {
		err = fmt.Errorf("%s is being written to, and can't be read meanwhile: %w", f.path, explain(err))
		r = &Reader{db: newPool(sql.OpenDB(unreadable{err}))}
	}
	p.sessions.close(errSwapped)
	_ = p.db.Close() // nothing was written through it
	p.db, p.sessions, p.frozen = r.db.db, r.db.sessions, r.db.frozen
}

// unreadable stands for a file that can't be opened any more: each question is
// answered with the reason.
type unreadable struct{ why error }

func (u unreadable) Connect(context.Context) (driver.Conn, error) { return nil, u.why }
func (u unreadable) Driver() driver.Driver                        { return nil }
