package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"gapless/internal/store"
)

// An op is a call that writes, with the file that it is for.
type op struct {
	name   string
	start  uint64
	before [][]store.Entry
	do     func(ctx context.Context, s *store.Store) error
	// touches are the statements, by trigger event and table, that it makes.
	touches []string
}

func ops(t *testing.T) []op {
	inserts := func(tables ...string) (events []string) {
		for _, table := range tables {
			events = append(events, "INSERT ON "+table)
		}
		return events
	}
	gap := [][]store.Entry{stored(t, 908, 908), missing(909, 910), stored(t, 911, 911)}
	filled, forked := block(t, 910), fork(t, 910, recording().Block(909).Hash)
	withUncles := slices.Concat(stored(t, 749, 750), missing(751, 751), stored(t, 752, 752))
	withWithdrawals := append(stored(t, 909, 910), missing(911, 911)...)
	return []op{
		{"commit with uncles", 747, [][]store.Entry{stored(t, 747, 748)},
			func(ctx context.Context, s *store.Store) error { return s.Commit(ctx, withUncles, anchor(750)) },
			inserts("blocks", "transactions", "logs", "uncles", "failed_blocks", "journal")},
		{"commit with withdrawals", 908, [][]store.Entry{stored(t, 908, 908)},
			func(ctx context.Context, s *store.Store) error { return s.Commit(ctx, withWithdrawals) },
			inserts("blocks", "transactions", "logs", "transfers", "withdrawals", "failed_blocks", "journal")},
		{"fill", 908, gap,
			func(ctx context.Context, s *store.Store) error { return fill(ctx, s, filled) },
			append(inserts("blocks", "transactions", "logs", "withdrawals", "journal"), "DELETE ON failed_blocks")},
		{"rewind", 908, [][]store.Entry{stored(t, 908, 910), missing(911, 912)},
			func(ctx context.Context, s *store.Store) error {
				return s.Rewind(ctx, store.Reorg{Ancestor: 908}, nil)
			},
			append(inserts("journal"), "DELETE ON blocks", "DELETE ON transactions", "DELETE ON logs",
				"DELETE ON transfers", "DELETE ON withdrawals", "DELETE ON failed_blocks")},
		{"rewind and on", 908, [][]store.Entry{stored(t, 908, 910), missing(911, 912)},
			func(ctx context.Context, s *store.Store) error {
				return s.Rewind(ctx, store.Reorg{Ancestor: 909}, append([]store.Entry{{Block: forked}}, missing(911, 911)...))
			},
			append(inserts("blocks", "transactions", "logs", "failed_blocks", "journal"), "DELETE ON blocks", "DELETE ON failed_blocks")},
		{"prune", 908, [][]store.Entry{stored(t, 908, 910), missing(911, 911), stored(t, 912, 912)},
			func(ctx context.Context, s *store.Store) error {
				_, err := s.Prune(ctx, 912)
				return err
			},
			append(inserts("journal"), "UPDATE ON chain", "DELETE ON blocks", "DELETE ON transactions", "DELETE ON logs",
				"DELETE ON transfers", "DELETE ON withdrawals", "DELETE ON failed_blocks")},
		{"retry failed", 908, gap,
			func(ctx context.Context, s *store.Store) error { return s.RetryFailed(ctx, failure(910, 9)) },
			[]string{"UPDATE ON failed_blocks"}},
		{"retry now", 908, gap,
			func(ctx context.Context, s *store.Store) error {
				n, err := s.RetryNow(ctx, 0, 1000)
				if err == nil && n != 2 {
					err = fmt.Errorf("%d rows", n)
				}
				return err
			},
			[]string{"UPDATE ON failed_blocks"}},
		{"skip", 908, gap,
			func(ctx context.Context, s *store.Store) error { return s.Skip(ctx, 910, "lost") },
			[]string{"UPDATE ON failed_blocks"}},
		{"set finality", 908, gap,
			func(ctx context.Context, s *store.Store) error {
				tag := store.Tag(anchor(908))
				return s.SetFinality(ctx, &tag, nil)
			},
			[]string{"UPDATE ON chain"}},
	}
}

// identify is the one op on a file without an identity.
func identify(ctx context.Context, s *store.Store) error { return s.Identify(ctx, identity(908)) }

// SQLite refuses a statement: the call fails, the file is as it was, and the
// same call then succeeds.
func TestStatementRefused(t *testing.T) {
	t.Parallel()
	for _, o := range ops(t) {
		t.Run(o.name, func(t *testing.T) {
			s := newStore(t, o.start, o.before...)
			before := contents(t, s.Path())
			for _, event := range o.touches {
				for _, when := range []string{"BEFORE", "AFTER"} {
					execute(t, s, `CREATE TEMP TRIGGER refuse `+when+` `+strings.Replace(event, "ON ", "ON main.", 1)+
						` BEGIN SELECT RAISE(ABORT, 'injected'); END`)
					wants(t, o.do(t.Context(), s), "injected")
					execute(t, s, `DROP TRIGGER refuse`)
					unchanged(t, s.Path(), before)
				}
			}
			wants(t, o.do(t.Context(), s), nil)
		})
	}
}

// SQLite refuses the COMMIT.
func TestCommitRefused(t *testing.T) {
	for _, o := range ops(t) {
		t.Run(o.name, func(t *testing.T) {
			s := newStore(t, o.start, o.before...)
			before := contents(t, s.Path())
			changed := s.Changed()
			onCommit(t, s, func() int32 { return 1 })
			if err := o.do(t.Context(), s); err == nil {
				t.Error("no error")
			}
			unchanged(t, s.Path(), before)
			select {
			case <-changed:
				t.Error("a change is told that did not come")
			default:
			}
			onCommit(t, s, nil)
			wants(t, o.do(t.Context(), s), nil)
		})
	}
}

func execute(t *testing.T, s *store.Store, query string) {
	t.Helper()
	if _, err := s.Writer().ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func onCommit(t *testing.T, s *store.Store, hook func() int32) {
	t.Helper()
	err := s.Writer().Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(hook)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A full disk leaves exactly what was acknowledged, and does no harm after.
func TestDiskFull(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 2), missing(3, 3))
	pages := rowsOf(t, s.Path(), `PRAGMA page_count`)[0][0].(int64)
	execute(t, s, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+3))
	n := uint64(4)
	var err error
	var before string
	for ; err == nil; n++ {
		if n > 200 {
			t.Fatal("the disk does not get full")
		}
		before = contents(t, s.Path())
		err = s.Commit(t.Context(), stored(t, n, n), anchor(2))
	}
	n--
	wants(t, err, store.ErrFull)
	unchanged(t, s.Path(), before)
	for range 3 {
		wants(t, s.Commit(t.Context(), slices.Concat(stored(t, n, n+9), missing(n+10, n+10))), store.ErrFull)
		unchanged(t, s.Path(), before)
	}
	if _, err := s.Block(t.Context(), n-1); err != nil {
		t.Errorf("reading: %v", err)
	}
	execute(t, s, `PRAGMA max_page_count = 1000000`)
	wants(t, s.Commit(t.Context(), stored(t, n, n+9)), nil)
	wants(t, fill(t.Context(), s, block(t, 3)), nil)
}

// Every statement of every call fails once, before and after it was carried
// out. If it was a COMMIT that was carried out, then the call was too, though
// its caller got an error; in all other cases the file is as it was.
func TestEveryStatementFails(t *testing.T) {
	t.Parallel()
	for _, o := range append(ops(t), op{name: "identify", do: identify}) {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %t", o.name, applied), func(t *testing.T) {
				want := outcome(t, o)
				f := &faults{applied: applied}
				s := openFaulty(t, o, f)
				before := contents(t, s.Path())
				for n := 1; ; n++ {
					f.arm(n)
					err := o.do(t.Context(), s)
					failed := f.disarm()
					if failed == "" {
						wants(t, err, nil)
						break
					}
					wants(t, err, errInjected)
					if applied && failed == "COMMIT" {
						break
					}
					unchanged(t, s.Path(), before)
				}
				if diff := cmp.Diff(want, contents(t, s.Path())); diff != "" {
					t.Errorf("in the end (-want +got):\n%s", diff)
				}
				if f.seen < 3 {
					t.Errorf("only %d statements were seen", f.seen)
				}
			})
		}
	}
}

// outcome is the contents of a file after an op without faults.
func outcome(t *testing.T, o op) string {
	t.Helper()
	s := openFaulty(t, o, &faults{})
	wants(t, o.do(t.Context(), s), nil)
	return contents(t, s.Path())
}

func openFaulty(t *testing.T, o op, f *faults) *store.Store {
	t.Helper()
	s, err := store.OpenThrough(t.Context(), newPath(t), func(name string) driver.Connector { return &connector{name, f} })
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	if o.name != "identify" {
		prepare(t, s, o.start, o.before...)
	}
	return s
}

var errInjected = errors.New("injected")

// faults make the nth prepared statement fail, without or after its work.
type faults struct {
	applied bool

	left   int    // statements until the fault, 0 if none is to come
	failed string // the statement that failed
	seen   int
}

func (f *faults) arm(n int) { f.left, f.failed, f.seen = n, "", 0 }

func (f *faults) disarm() string {
	f.left = 0
	return f.failed
}

// due counts a statement and reports whether it must fail.
func (f *faults) due(query string) bool {
	f.seen++
	if f.left == 0 {
		return false
	}
	if f.left--; f.left > 0 {
		return false
	}
	f.failed = query
	return true
}

// A connector opens connections of the real driver whose statements may fail.
type connector struct {
	name string
	*faults
}

func (c *connector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.name)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn.(sqliteConn), c.faults}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type faultyConn struct {
	sqliteConn
	*faults
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &faultyStmt{s.(sqliteStmt), query, c.faults}, nil
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type faultyStmt struct {
	sqliteStmt
	query string
	*faults
}

func (s *faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if !s.due(s.query) {
		return s.sqliteStmt.ExecContext(ctx, args)
	}
	if s.applied {
		if _, err := s.sqliteStmt.ExecContext(ctx, args); err != nil {
			return nil, err
		}
	}
	return nil, errInjected
}

func (s *faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.due(s.query) {
		return nil, errInjected
	}
	return s.sqliteStmt.QueryContext(ctx, args)
}
