package schema_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"gapless/schema"
	"gapless/testdata"
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
	if version, err := schema.All().Version(t.Context(), conn); version != len(schema.All()) || err != nil {
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
		{fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, schema.ApplicationID, len(schema.All())+1), schema.ErrNewer},
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

// A program that knows a schema more finds what to do, and a file of it is newer
// to one that knows less.
func TestOlderAndNewer(t *testing.T) {
	known := schema.All()
	more := append(slices.Clone(known), schema.Migration{Name: "9999_more.sql", SQL: `CREATE TABLE more (a INTEGER) STRICT;`})
	conn := open(t, newFile(t))
	if err := known.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if version, err := more.Version(t.Context(), conn); version != len(known) || err != nil {
		t.Errorf("schema %d, %v", version, err)
	}
	if err := more.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if n := number(t, conn, `SELECT COUNT(*) FROM more`); n != 0 {
		t.Errorf("%d rows", n)
	}
	if _, err := known.Version(t.Context(), conn); !errors.Is(err, schema.ErrNewer) {
		t.Errorf("error %v, want %v", err, schema.ErrNewer)
	}
}

// A view of somebody's own stays, and keeps nothing from being brought up to date.
func TestMigrateWithAForeignView(t *testing.T) {
	for from := 1; from < len(schema.All()); from++ {
		path := newFile(t)
		older(t, path, from)
		conn := open(t, path)
		if _, err := conn.ExecContext(t.Context(), `CREATE VIEW mine AS SELECT t.amount, j.at FROM transfers t JOIN journal j ON j.last_block = t.block_number`); err != nil {
			t.Fatal(err)
		}
		before := number(t, conn, `SELECT COUNT(*) FROM mine`)
		if err := schema.All().Migrate(t.Context(), conn); err != nil {
			t.Fatalf("from schema %d: %v", from, err)
		}
		if after := number(t, conn, `SELECT COUNT(*) FROM mine`); after != before {
			t.Errorf("from schema %d: %d rows, want %d", from, after, before)
		}
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
	wants := dumps(t)
	for from := range schema.All() {
		outcomes := make(map[int]int)
		for n := 1; outcomes[len(schema.All())] == 0; n += step {
			path := newFile(t)
			older(t, path, from)
			died(t, path, n)
			conn := open(t, path)
			version, err := schema.All().Version(t.Context(), conn)
			if err != nil {
				t.Fatalf("from schema %d, killed at %d: %v", from, n, err)
			}
			if diff := cmp.Diff(wants[version], dump(t, conn)); diff != "" {
				t.Fatalf("from schema %d, killed at %d: not schema %d (-want +got):\n%s", from, n, version, diff)
			}
			outcomes[version]++
			if err := schema.All().Migrate(t.Context(), conn); err != nil {
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
func dumps(t *testing.T) (all []string) {
	t.Helper()
	for version := range len(schema.All()) + 1 {
		conn := open(t, newFile(t))
		if err := schema.All()[:version].Migrate(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		all = append(all, dump(t, conn))
	}
	return all
}

// older makes a file of an older schema, with a row in it: the one that is kept
// of a program of that time, if there is.
func older(t *testing.T, path string, version int) {
	t.Helper()
	kept(t, path, version)
	conn := open(t, path)
	if err := schema.All()[:version].Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if version == 0 {
		return
	}
	_, err := conn.ExecContext(t.Context(), `INSERT INTO journal (seq, kind, at, first_block, last_block) VALUES (777, 'reset', 1, 2, 3)`)
	if err != nil {
		t.Fatal(err)
	}
}

// kept puts the file of an earlier schema at path, if there is one.
func kept(t *testing.T, path string, version int) {
	t.Helper()
	err := testdata.Unpack(fmt.Sprintf("../testdata/schemas/%04d.db.gz", version), path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	return schema.All().Migrate(ctx, conn)
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
	case name == "id", name == "log_id":
		return "<< 24|id of|^$" // the one row of chain has none
	}
	return ""
}
