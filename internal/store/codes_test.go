package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Each code that a user can meet has a sentence, and its number is in the message too.
func TestCodes(t *testing.T) {
	for family, extended := range map[int]int{
		sqlite3.SQLITE_IOERR: 36, sqlite3.SQLITE_CANTOPEN: 6, sqlite3.SQLITE_READONLY: 6, sqlite3.SQLITE_PERM: 0,
		sqlite3.SQLITE_NOMEM: 0, sqlite3.SQLITE_NOLFS: 0, sqlite3.SQLITE_AUTH: 0, sqlite3.SQLITE_MISUSE: 0,
	} {
		for n := range extended + 1 {
			if text := sentence(family | n<<8); len(text) < 20 {
				t.Errorf("code %d has no sentence: %q", family|n<<8, text)
			}
		}
	}
	for code, part := range map[int]string{6410: "TMPDIR", 778: "read-only", 266: "can't be read", 3850: "network drive"} {
		if !strings.Contains(sentence(code), part) {
			t.Errorf("code %d: %s", code, sentence(code))
		}
	}
}

// The sentence comes before SQLite's own words.
func TestExplainsCode(t *testing.T) {
	db, err := sql.Open("sqlite", dsn(t.TempDir()+"/nowhere/chain.db", "ro"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = explain(fmt.Errorf("look: %w", db.PingContext(t.Context())))
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok || !strings.HasPrefix(err.Error(), cantOpen) || !strings.Contains(err.Error(), fmt.Sprint(e.Code())) {
		t.Error(err)
	}
}
