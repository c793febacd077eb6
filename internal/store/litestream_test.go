package store_test

import (
	"context"
	"database/sql"
	"testing"

	"gapless/internal/store"
)

// replicate does to a file what Litestream does when it finds it, and gives its
// connection.
func replicate(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=wal_autocheckpoint(0)&_pragma=busy_timeout(1000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	onConn(t, db, `CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)`)
	return db
}

func onConn(t *testing.T, conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, query string) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Where the -wal of a replicated file begins anew, nothing of what was there
// stays, so that Litestream can't take it for what it has read. This is so for a
// program that is there when Litestream comes, and for one that comes later.
func TestReplicatedWALIsCut(t *testing.T) {
	t.Parallel()
	for name, replicated := range map[string]bool{"replicated": true, "not replicated": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			prepare(t, s, 0, stored(t, 0, 10))
			if replicated {
				wants(t, replicate(t, path).Close(), nil)
			}
			begunAnew := func(first uint64) (before, after int64) {
				t.Helper()
				wants(t, s.Commit(t.Context(), stored(t, first, first+99)), nil)
				onConn(t, s.Writer(), `PRAGMA wal_checkpoint(PASSIVE)`)
				before = walSize(t, path)
				wants(t, s.Commit(t.Context(), stored(t, first+100, first+100)), nil)
				return before, walSize(t, path)
			}
			if before, after := begunAnew(11); (after < before) != replicated {
				t.Errorf("the -wal had %d bytes, and now has %d", before, after)
			}
			wants(t, s.Close(), nil)
			if s, err = store.Open(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			closeAndCheck(t, s)
			if before, after := begunAnew(112); (after < before) != replicated {
				t.Errorf("opened again, the -wal had %d bytes, and now has %d", before, after)
			}
		})
	}
}

// Litestream begins the -wal anew and leaves it as long as it was, and reads on
// for ever: what counts is how much of it is in use.
func TestLongWALThatIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0, stored(t, 0, 10))
	other := replicate(t, s.Path())
	wants(t, s.Commit(t.Context(), stored(t, 11, 200)), nil)
	long := walSize(t, s.Path())
	onConn(t, other, `PRAGMA wal_checkpoint(RESTART)`)
	onConn(t, other, `INSERT INTO _litestream_seq (id, seq) VALUES (1, 1)`)
	onConn(t, other, `BEGIN`)
	onConn(t, other, `SELECT COUNT(*) FROM _litestream_seq`)
	if now := walSize(t, s.Path()); now != long {
		t.Fatalf("the -wal has %d bytes instead of %d", now, long)
	}
	wants(t, s.DrainWAL(t.Context(), long/2), nil)
	wants(t, s.DrainWAL(t.Context(), 0), store.ErrHeld)
	onConn(t, other, `ROLLBACK`)
	wants(t, s.DrainWAL(t.Context(), 0), nil)
	wants(t, other.Close(), nil)
}

// A file that Litestream replicates is not put aside: it would go on with the
// old one, and take what it reads by name from the new one.
func TestReplicatedIsNotRotated(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0, stored(t, 0, 10))
	wants(t, replicate(t, s.Path()).Close(), nil)
	_, err := s.Rotate(t.Context())
	wants(t, err, store.ErrReplicated)
	wants(t, s.Commit(t.Context(), stored(t, 11, 12)), nil)
}
