package command

import (
	"database/sql"
	"os"
	"strings"
	"testing"
)

// A bit that has flipped in an index is healed from the rows, whichever index it is.
func TestRepairIndexes(t *testing.T) {
	t.Parallel()
	base := writeFile(t, 60)
	content, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	for index, root := range indexRoots(t, base) {
		db := newDB(t)
		damaged := append([]byte(nil), content...)
		const page = 8192
		damaged[root*page-5] ^= 0x10 // the end of the page is the first entry that was put there
		if err := os.WriteFile(db, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := gapless(t, "verify", "--db", db); code != exitFault {
			t.Errorf("%s: exit %d: %s%s", index, code, stdout, stderr)
		}
		code, stdout, stderr := gapless(t, "verify", "--repair", "--db", db)
		if code != exitDone || !strings.Contains(stderr, "its indexes were rebuilt") {
			t.Errorf("%s: repair: exit %d: %s%s", index, code, stdout, stderr)
		}
		mustGapless(t, "verify", "--db", db)
	}
}

// indexRoots gives the number of the first page of each index of a file in which
// there is something.
func indexRoots(t *testing.T, path string) map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT name, rootpage FROM sqlite_schema WHERE type = 'index' AND name NOT IN ('transactions_by_contract', 'blocks_by_unproved')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	roots := make(map[string]int)
	for rows.Next() {
		var name string
		var root int
		if err := rows.Scan(&name, &root); err != nil {
			t.Fatal(err)
		}
		roots[name] = root
	}
	if err := rows.Err(); err != nil || len(roots) < 5 {
		t.Fatal(roots, err)
	}
	return roots
}
