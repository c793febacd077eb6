package schema_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"gapless/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The test binary runs again to be killed in a migration: at the nth statement
// that SQLite compiles in it.
const (
	childFile = "GAPLESS_SCHEMA_TEST_FILE"
	childDies = "GAPLESS_SCHEMA_TEST_DIES"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := migrateAndDie(path, os.Getenv(childDies)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// open gives the one connection to a file.
func open(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// grown are the migrations of a program with a schema more: the way up is tested
// with one that only tests have. It exchanges a table, as SQLite can't change a
// CHECK (https://sqlite.org/lang_altertable.html#otheralter).
func grown() schema.Migrations {
	return append(schema.All(), schema.Migration{Name: "9999_more.sql", SQL: `
		CREATE TABLE journal_with_more (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, first_block INTEGER NOT NULL,
			last_block INTEGER NOT NULL, detail TEXT, more INTEGER) STRICT;
		INSERT INTO journal_with_more SELECT seq, kind, at, first_block, last_block, detail, 1 FROM journal;
		DROP TABLE journal;
		ALTER TABLE journal_with_more RENAME TO journal;
		CREATE INDEX journal_by_kind ON journal (kind, seq);
		DROP INDEX IF EXISTS logs_by_address;
		CREATE INDEX logs_by_address ON logs (address);`})
}

func newFile(t *testing.T) string { return filepath.Join(t.TempDir(), "schema.db") }

// dump is the schema of a file as text.
func dump(t *testing.T, conn *sql.Conn) string {
	t.Helper()
	var out strings.Builder
	for _, pragma := range []string{"application_id", "user_version"} {
		fmt.Fprintf(&out, "-- %s %d\n", pragma, number(t, conn, `PRAGMA `+pragma))
	}
	rows, err := conn.QueryContext(t.Context(), `SELECT type, name, IFNULL(sql, '') FROM sqlite_schema ORDER BY type, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "\n-- %s %s\n%s\n", kind, name, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func number(t *testing.T, conn *sql.Conn, query string) (n int) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestSchema(t *testing.T) {
	conn := open(t, newFile(t))
	if version, err := schema.All().Version(t.Context(), conn); version != 0 || err != nil {
		t.Errorf("an empty file has schema %d, %v", version, err)
	}
	if err := schema.All().Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	first := dump(t, conn)
	const golden = "testdata/schema.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(first), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), first); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}

	// Again, nothing is left to do.
	changes := number(t, conn, `SELECT schema_version FROM pragma_schema_version`)
	if err := schema.All().Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if version, err := schema.All().Version(t.Context(), conn); version != schema.All().Last() || err != nil {
		t.Errorf("a migrated file has schema %d, %v", version, err)
	}
	if now := number(t, conn, `SELECT schema_version FROM pragma_schema_version`); now != changes {
		t.Error("the second Migrate has changed the schema")
	}
	if ok := number(t, conn, `SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'`); ok != 1 {
		t.Error("integrity_check is not ok")
	}
}

// Every view can be read.
func TestViews(t *testing.T) {
	conn := open(t, newFile(t))
	if err := schema.All().Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	for _, view := range []string{"blocks_hex", "transactions_hex", "logs_hex", "transfers_hex", "missing"} {
		number(t, conn, `SELECT COUNT(*) FROM (SELECT * FROM `+view+`)`)
	}
}

// Files that Migrate leaves alone.
func TestNotOurs(t *testing.T) {
	for _, tt := range []struct {
		sql  string
		want error
	}{
		{`CREATE TABLE t (a)`, schema.ErrForeign},
		{`PRAGMA application_id = 1`, schema.ErrForeign},
		{`PRAGMA user_version = 1`, schema.ErrForeign},
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = -1`, schema.ApplicationID), schema.ErrForeign},
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = 1; CREATE TABLE t (a)`, schema.ApplicationID), schema.ErrOlder},
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = 4`, schema.ApplicationID), schema.ErrOlder},
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, schema.ApplicationID, schema.All().Last()+1), schema.ErrNewer},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			conn := open(t, newFile(t))
			if _, err := conn.ExecContext(t.Context(), tt.sql); err != nil {
				t.Fatal(err)
			}
			before := dump(t, conn)
			for _, try := range []func() error{
				func() error { return schema.All().Migrate(t.Context(), conn) },
				func() error { _, err := schema.All().Version(t.Context(), conn); return err },
			} {
				if err := try(); !strings.Contains(fmt.Sprint(err), tt.want.Error()) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			}
			if diff := cmp.Diff(before, dump(t, conn)); diff != "" {
				t.Errorf("it changed the file:\n%s", diff)
			}
		})
	}
}

// A file that was restored from a .dump has lost its numbers, and is known by what
// is in it; they are written again. With less in it, it is anybody's.
func TestRestoredFromDump(t *testing.T) {
	const lose = `PRAGMA application_id = 0; PRAGMA user_version = 0`
	for _, tt := range []struct {
		sql  string
		want error
	}{
		{`CREATE TABLE mine (a); DROP INDEX blocks_by_hash`, nil},
		{`DROP TABLE logs`, schema.ErrForeign},
		{`CREATE TRIGGER t AFTER INSERT ON logs BEGIN SELECT 1; END`, schema.ErrForeign},
	} {
		conn := open(t, newFile(t))
		if err := schema.All().Migrate(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), lose+";"+tt.sql); err != nil {
			t.Fatal(err)
		}
		version, err := schema.All().Version(t.Context(), conn)
		if migrated := schema.All().Migrate(t.Context(), conn); !errors.Is(err, tt.want) || !errors.Is(migrated, tt.want) {
			t.Errorf("%s: %v, %v", tt.sql, err, migrated)
		}
		application, marked := number(t, conn, `PRAGMA application_id`), number(t, conn, `PRAGMA user_version`)
		if tt.want == nil && (version != schema.All().Last() || application != schema.ApplicationID || marked != version) {
			t.Errorf("schema %d, numbers %d and %d", version, application, marked)
		}
		if tt.want != nil && (application != 0 || marked != 0) {
			t.Errorf("%s: it is marked as ours", tt.sql)
		}
	}
}

// A program that knows a schema more finds what to do, and a file of it is newer
// to one that knows less.
func TestOlderAndNewer(t *testing.T) {
	known, more := schema.All(), grown()
	conn := open(t, newFile(t))
	if err := known.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if version, err := more.Version(t.Context(), conn); version != known.Last() || err != nil {
		t.Errorf("schema %d, %v", version, err)
	}
	if err := more.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if n := number(t, conn, `SELECT COUNT(more) FROM journal`); n != 0 {
		t.Errorf("%d rows", n)
	}
	if _, err := known.Version(t.Context(), conn); !errors.Is(err, schema.ErrNewer) {
		t.Errorf("error %v, want %v", err, schema.ErrNewer)
	}
}

// A view of somebody's own stays, and keeps nothing from being brought up to date.
func TestMigrateWithAForeignView(t *testing.T) {
	path := newFile(t)
	older(t, path, schema.All())
	conn := open(t, path)
	if _, err := conn.ExecContext(t.Context(), `CREATE VIEW mine AS SELECT j.at, c.client FROM journal j LEFT JOIN chain c`); err != nil {
		t.Fatal(err)
	}
	before := number(t, conn, `SELECT COUNT(*) FROM mine`)
	if err := grown().Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if after := number(t, conn, `SELECT COUNT(*) FROM mine`); after != before || before == 0 {
		t.Errorf("%d rows, want %d", after, before)
	}
}

// A migration that fails leaves nothing and no transaction.
func TestMigrationFails(t *testing.T) {
	conn := open(t, newFile(t))
	before := dump(t, conn)
	refuse(t, conn, func() int32 { return 1 })
	if err := schema.All().Migrate(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "0001_index.sql") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, dump(t, conn)); diff != "" {
		t.Errorf("it changed the file:\n%s", diff)
	}
	refuse(t, conn, nil)
	if err := schema.All().Migrate(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

func refuse(t *testing.T, conn *sql.Conn, hook func() int32) {
	t.Helper()
	err := conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(hook)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A process is killed in the middle of a migration, at ever later points: the
// file has the old schema or the new, with its rows, and the next Migrate
// finishes.
func TestKilledInTheMiddle(t *testing.T) {
	step := 7
	if testing.Short() {
		step = 60
	}
	known := grown()
	wants := dumps(t)
	for i := range known {
		outcomes, from := make(map[int]int), 0
		if i > 0 {
			from = known[:i].Last()
		}
		for n := 1; outcomes[known.Last()] == 0; n += step {
			path := newFile(t)
			older(t, path, known[:i])
			died(t, path, n)
			conn := open(t, path)
			version, err := known.Version(t.Context(), conn)
			if err != nil {
				t.Fatalf("from schema %d, killed at %d: %v", from, n, err)
			}
			if diff := cmp.Diff(wants[version], dump(t, conn)); diff != "" {
				t.Fatalf("from schema %d, killed at %d: not schema %d (-want +got):\n%s", from, n, version, diff)
			}
			outcomes[version]++
			if err := known.Migrate(t.Context(), conn); err != nil {
				t.Fatalf("from schema %d, killed at %d: %v", from, n, err)
			}
			if from > 0 && number(t, conn, `SELECT COUNT(*) FROM journal WHERE seq = 777 AND kind = 'reset'`) != 1 {
				t.Fatalf("from schema %d, killed at %d: a row is gone", from, n)
			}
		}
		if outcomes[from] == 0 {
			t.Errorf("from schema %d: none was killed before the first was made: %v", from, outcomes)
		}
	}
}

// dumps are the schemas of files by their version.
func dumps(t *testing.T) map[int]string {
	t.Helper()
	all := map[int]string{0: dump(t, open(t, newFile(t)))}
	for i := range grown() {
		conn, known := open(t, newFile(t)), grown()[:i+1]
		if err := known.Migrate(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		all[known.Last()] = dump(t, conn)
	}
	return all
}

// older makes a file of an older schema, with a row in it.
func older(t *testing.T, path string, known schema.Migrations) {
	t.Helper()
	if len(known) == 0 {
		return
	}
	conn := open(t, path)
	if err := known.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	_, err := conn.ExecContext(t.Context(), `INSERT INTO journal (seq, kind, at, first_block, last_block) VALUES (777, 'reset', 1, 2, 3)`)
	if err != nil {
		t.Fatal(err)
	}
}

// died migrates a file in a process that is killed at its nth statement, or
// ends before.
func died(t *testing.T, path string, n int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path, childDies+"="+strconv.Itoa(n))
	if out, err := cmd.CombinedOutput(); len(out) > 0 { // none if it was killed
		t.Fatalf("%v: %s", err, out)
	}
}

// migrateAndDie kills this process when SQLite asks for the nth time whether it
// may compile something.
func migrateAndDie(path, at string) error {
	n, err := strconv.Atoi(at)
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `PRAGMA journal_mode = WAL`); err != nil {
		return err
	}
	err = conn.Raw(func(c any) error {
		return c.(sqlite.AuthorizerRegisterer).RegisterAuthorizer(func(sqlite.AuthorizerActionCode, string, string, string, string) sqlite.AuthorizerReturnCode {
			if n--; n == 0 {
				_ = self.Kill() // does not return
				select {}
			}
			return sqlite.AuthorizerOK
		})
	})
	if err != nil {
		return err
	}
	return grown().Migrate(ctx, conn)
}

// Where a column's values have a unit, a comment says which.
func TestColumnsSayTheirUnits(t *testing.T) {
	files, err := filepath.Glob("*.sql")
	if err != nil || len(files) != len(schema.All()) {
		t.Fatal(files, err)
	}
	column := regexp.MustCompile(`^    ([a-z][a-z0-9_]*) +(INTEGER|TEXT|BLOB|REAL)\b([^\n]*)`)
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			m := column.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			_, comment, _ := strings.Cut(m[3], "--")
			want := unit(m[1], m[2])
			if want == "" {
				continue
			}
			checked++
			if !regexp.MustCompile(want).MatchString(comment) {
				t.Errorf("%s:%d: the comment of %s does not say %s", file, i+1, m[1], want)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d columns were found", checked)
	}
}

// unit is what the comment of a column must say, empty if it has no unit.
func unit(name, kind string) string {
	switch {
	case strings.HasSuffix(name, "_at"):
		return "unix milliseconds"
	case name == "timestamp":
		return "unix seconds"
	case kind == "INTEGER" && regexp.MustCompile(`(^|_)gas($|_)`).MatchString(name):
		return "gas"
	case name == "amount" && kind == "INTEGER":
		return "gwei"
	case regexp.MustCompile(`_real$`).MatchString(name):
		return "for sorting"
	case kind == "TEXT" && regexp.MustCompile(`fee|price|value`).MatchString(name):
		return "wei, decimal"
	case kind == "TEXT" && regexp.MustCompile(`difficulty|token_id|amount|chain_id`).MatchString(name):
		return "decimal"
	case regexp.MustCompile(`(^|_)extra$|_list$|^detail$`).MatchString(name):
		return "JSON"
	case name == "size":
		return "bytes"
	case name == "id":
		return "<< 24|^$" // the one row of chain has none
	}
	return ""
}

// The rows of a block are searched in every table and view, not scanned for; the
// columns that say where they are can be seen by those who can't see a virtual one.
func TestBlockNumberIsSearched(t *testing.T) {
	conn := open(t, newFile(t))
	if err := schema.All().Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	places := map[string][]string{
		"transactions": {"transaction_index"}, "logs": {"transaction_index", "log_index"}, "withdrawals": {"position"}, "uncles": {"position"},
		"transfers": {"transaction_index", "log_index", "batch_index"}, "failed_blocks": nil, "missing": nil,
		"transactions_hex": {"transaction_index", "time"}, "logs_hex": {"transaction_index", "log_index", "transaction_hash", "time"},
		"transfers_hex": {"transaction_index", "log_index", "batch_index", "transaction_hash", "time"},
	}
	for name, columns := range places {
		for _, column := range append(columns, "block_number") {
			if n := number(t, conn, `SELECT COUNT(*) FROM pragma_table_info('`+name+`') WHERE name = '`+column+`'`); n != 1 { // leaves out virtual ones
				t.Errorf("%s has no column %s", name, column)
			}
		}
		for _, where := range []string{`block_number = 7`, `block_number BETWEEN 7 AND 9`} {
			if steps := plan(t, conn, `SELECT * FROM `+name+` WHERE `+where); strings.Contains(steps, "SCAN") || !strings.Contains(steps, "SEARCH") {
				t.Errorf("%s WHERE %s:\n%s", name, where, steps)
			}
		}
	}
	join := plan(t, conn, `SELECT t.hash, l.data FROM logs l JOIN transactions t USING (block_number, transaction_index) WHERE l.address = x'00'`)
	if !strings.Contains(join, "SEARCH t USING INDEX transactions_by_block (block_number=? AND transaction_index=?)") {
		t.Errorf("logs with their transactions:\n%s", join)
	}
}

// plan is how SQLite goes about a query.
func plan(t *testing.T, conn *sql.Conn, query string) string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var steps strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps.String()
}
