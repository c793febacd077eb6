package command

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
	"gapless/schema"
	"gapless/testdata"
)

// earlier gives the files that are kept of schemas by their number, see
// testdata/schemas/README.md. The present schema may have one already.
func earlier(t *testing.T) map[int]string {
	t.Helper()
	packed, err := filepath.Glob("../../testdata/schemas/*.db.gz")
	if err != nil || len(packed) == 0 {
		t.Fatal(packed, err)
	}
	files := make(map[int]string)
	for _, path := range packed {
		var number int
		if _, err := fmt.Sscanf(filepath.Base(path), "%04d.db.gz", &number); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files[number] = unpack(t, path)
	}
	return files
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	to := newDB(t)
	if err := testdata.Unpack(path, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// stored is all rows of a file by table, of columns that are given, or of all.
func stored(t *testing.T, path string, columns map[string][]string) (all map[string][]string, names map[string][]string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, names = make(map[string][]string), columns
	if columns == nil {
		names = make(map[string][]string)
		for _, table := range texts(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`) {
			names[table] = texts(t, db, `SELECT name FROM pragma_table_xinfo('`+table+`') ORDER BY cid`)
		}
	}
	for table, columns := range names {
		quoted := make([]string, len(columns))
		for i, c := range columns {
			quoted[i] = "quote(" + c + ")"
		}
		all[table] = texts(t, db, `SELECT `+strings.Join(quoted, ` || ', ' || `)+` FROM `+table+` ORDER BY 1`)
	}
	return all, names
}

func texts(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every schema before the present one has a file: else the next upgrade is not
// tested.
func TestEarlierSchemasAreKept(t *testing.T) {
	t.Parallel()
	files := earlier(t)
	for number := 1; number < len(schema.All()); number++ {
		if files[number] == "" {
			t.Errorf("testdata/schemas has no %04d.db.gz: its README says how to make it", number)
		}
	}
}

// A file of an earlier schema is read as it is, and brought up to date by run;
// nothing that is in it is lost.
func TestEarlierSchemas(t *testing.T) {
	t.Parallel()
	for number, path := range earlier(t) {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			before, columns := stored(t, path, nil)
			for _, table := range []string{"blocks", "transactions", "logs", "failed_blocks", "journal"} {
				if len(before[table]) == 0 {
					t.Errorf("there is nothing in %s", table)
				}
			}
			if number < len(schema.All()) {
				readEarlier(t, path)
			}

			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after, _ := stored(t, path, columns)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("rows (-before +after):\n%s", diff)
			}
		})
	}
}

// readEarlier reads a file of an earlier schema, which does not change it.
func readEarlier(t *testing.T, path string) {
	t.Helper()
	before := contentOf(t, path)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"status", "--db", path}, 1, "its schema is older; `gapless run` brings it up to date"},
		{[]string{"verify", "--db", path}, 0, "3 missing, none in both or in neither"},
		{[]string{"digest", "--to", "19", "--db", path}, 0, " 0-19 "},
		{[]string{"export", "--format", "jsonl", "--to", "19", "--db", path, "--out", filepath.Join(t.TempDir(), "out")}, 0, "wrote blocks 0 to 19"},
	} {
		code, stdout, stderr := gapless(t, tt.args...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit %d, want %d: %s%s", tt.args[0], code, tt.code, stdout, stderr)
		}
	}
	if contentOf(t, path) != before {
		t.Error("reading has changed the file")
	}
}

// Run brings it up to date, fetches what was missing but for what was skipped,
// and what comes of it is what a new file has.
func TestEarlierSchemasGoOn(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 100)
	fresh := newDB(t)
	mustGapless(t, "run", "--db", fresh, "--rpc", url, "--listen", "off", "--until", "100")
	want := mustGapless(t, "digest", "--db", fresh)
	for number, path := range earlier(t) {
		mustGaplessBefore(t, path, url)
		if got := mustGapless(t, "verify", "--db", path); !strings.Contains(got, "0 faults") {
			t.Errorf("schema %d: %s", number, got)
		}
		if got := mustGapless(t, "digest", "--db", path); got != want {
			t.Errorf("schema %d: digest %s, want %s", number, got, want)
		}
		if journal, _ := stored(t, path, map[string][]string{"journal": {"kind"}}); !slices.Contains(journal["journal"], "'reorg'") {
			t.Errorf("schema %d: the journal has lost the revert: %v", number, journal)
		}
	}
}

// mustGaplessBefore upgrades a file and fetches what is missing.
func mustGaplessBefore(t *testing.T, path, url string) {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RetryNow(context.WithoutCancel(t.Context()), 0, 100); err != nil { // the skipped one too
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustGapless(t, "run", "--db", path, "--rpc", url, "--listen", "off", "--until", "100")
}

// A file of a later schema is refused by all, and stays as it is.
func TestLaterSchema(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 20)
	path := writeFile(t, 10)
	tamper(t, path, fmt.Sprintf(`PRAGMA user_version = %d`, len(schema.All())+1))
	before := contentOf(t, path)
	for _, args := range [][]string{
		{"run", "--rpc", url, "--listen", "off", "--until", "20"}, {"status"}, {"verify"}, {"digest"}, {"gaps"}, {"retry", "all"},
		{"export", "--format", "jsonl"}, {"backup", filepath.Join(t.TempDir(), "copy.db")},
	} {
		code, stdout, stderr := gapless(t, append(args, "--db", path)...)
		if code != 1 || !strings.Contains(stderr, "get a newer gapless") {
			t.Errorf("%s: exit %d: %s%s", args[0], code, stdout, stderr)
		}
		if contentOf(t, path) != before {
			t.Fatalf("%s has changed the file", args[0])
		}
	}
}
