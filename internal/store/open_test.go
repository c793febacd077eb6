package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/store"
	"gapless/schema"
)

func TestOpenTwice(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3))
	for range 2 {
		_, err := store.Open(t.Context(), s.Path())
		wants(t, err, store.ErrLocked)
	}
	wants(t, s.Commit(t.Context(), stored(t, 4, 4)), nil)
}

func TestOpenInTwoProcesses(t *testing.T) {
	path := newPath(t)
	p := startChild(t, "hold", path)
	if !p.lines.Scan() {
		t.Fatal("the other process did not open the file")
	}
	_, err := store.Open(t.Context(), path)
	wants(t, err, store.ErrLocked)
	if !strings.Contains(fmt.Sprint(err), path) {
		t.Errorf("%q does not name the file", err)
	}
	r, err := store.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	p.kill()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal("after the other process is dead:", err)
	}
	closeAndCheck(t, s)
}

// Files that are not to be touched: each has an error that says what it is, and
// stays as it is to the byte, as do the files beside it.
func TestOpenOfOtherFiles(t *testing.T) {
	for _, tt := range []struct {
		name           string
		make           func(t *testing.T, path string)
		writer, reader any // see wants
	}{
		{"a text file", func(t *testing.T, path string) { write(t, path, []byte(strings.Repeat("not a database\n", 100))) },
			store.ErrForeign, store.ErrForeign},
		{"a short text file", func(t *testing.T, path string) { write(t, path, []byte("hello\n")) },
			store.ErrForeign, store.ErrForeign},
		{"another program's file", func(t *testing.T, path string) { runSQL(t, path, `CREATE TABLE blocks (a)`) },
			store.ErrForeign, store.ErrForeign},
		{"a file that another program has marked", func(t *testing.T, path string) { runSQL(t, path, `PRAGMA application_id = 7`) },
			store.ErrForeign, store.ErrForeign},
		{"a file with another program's version", func(t *testing.T, path string) { runSQL(t, path, `PRAGMA user_version = 1`) },
			store.ErrForeign, store.ErrForeign},
		{"another program's file with a -wal", foreignWithWAL, store.ErrForeign, store.ErrForeign},
		{"a newer schema", func(t *testing.T, path string) {
			ours(t, path)
			runSQL(t, path, fmt.Sprintf(`PRAGMA user_version = %d`, schema.All().Last()+1))
		}, store.ErrNewer, store.ErrNewer},
		{"a version below zero", func(t *testing.T, path string) {
			ours(t, path)
			runSQL(t, path, `PRAGMA user_version = -1`)
		}, store.ErrForeign, store.ErrForeign},
		{"a damaged first page", func(t *testing.T, path string) {
			ours(t, path)
			flip(t, path, 100, 30)
		}, store.ErrCorrupt, store.ErrCorrupt},
		{"half a file", func(t *testing.T, path string) {
			ours(t, path)
			if err := os.Truncate(path, 20000); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, store.ErrCorrupt},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o777); err != nil {
				t.Fatal(err)
			}
		}, "not a file", "not a file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			tt.make(t, path)
			before := files(t, path)
			_, err := store.Open(t.Context(), path)
			wants(t, err, tt.writer)
			names(t, err, path)
			sameFiles(t, before, path)
			_, err = store.OpenReader(t.Context(), path)
			wants(t, err, tt.reader)
			names(t, err, path)
			sameFiles(t, before, path)
		})
	}
}

func names(t *testing.T, err error, path string) {
	t.Helper()
	if !strings.Contains(fmt.Sprint(err), path) {
		t.Errorf("%q does not name the file", err)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func runSQL(t *testing.T, path string, queries ...string) {
	t.Helper()
	db := openSQL(t, path)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, query := range queries {
		if _, err := db.Exec(query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// ours makes a file of this program, closed.
func ours(t *testing.T, path string) {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, s, 0, stored(t, 0, 12))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// foreignWithWAL makes what another program leaves that was killed: content
// that is in the -wal alone.
func foreignWithWAL(t *testing.T, path string) {
	t.Helper()
	live := filepath.Join(t.TempDir(), "live.db")
	db := openSQL(t, live)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, query := range []string{`PRAGMA journal_mode = WAL`, `CREATE TABLE t (a)`, `INSERT INTO t VALUES ('theirs')`} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(live + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, content)
	}
}

// flip inverts bytes of a file.
func flip(t *testing.T, path string, at, count int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := at; i < at+count; i++ {
		content[i] ^= 0xff
	}
	write(t, path, content)
}

// files reads a file and its -wal.
func files(t *testing.T, path string) (content [2][]byte) {
	t.Helper()
	for i, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if info, statErr := os.Stat(path + suffix); err != nil && statErr == nil && !info.IsDir() {
			t.Fatal(err)
		}
		content[i] = b
	}
	return content
}

func sameFiles(t *testing.T, before [2][]byte, path string) {
	t.Helper()
	now := files(t, path)
	for i, what := range []string{"file", "-wal"} {
		if !bytes.Equal(before[i], now[i]) {
			t.Errorf("the %s has changed from %d bytes to %d", what, len(before[i]), len(now[i]))
		}
	}
}

// Damage outside the first page is found by those who read it, and by the
// checker, wherever it is.
func TestDamagedPages(t *testing.T) {
	whole := newPath(t)
	ours(t, whole)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	const page = 8192
	found := 0
	for at := page; at < len(content); at += page {
		path := newPath(t)
		write(t, path, content)
		// The page's own header and first cells. Page 2 says of each other one which
		// it belongs to, and begins with the roots, whose entries SQLite does not check.
		flip(t, path, at, 128)
		r, err := store.OpenReader(t.Context(), path)
		if err != nil {
			wants(t, err, store.ErrCorrupt)
			found++
			continue
		}
		faults := 0
		_, err = store.Checker{Fault: func(store.Fault) { faults++ }}.Check(t.Context(), r)
		if err != nil {
			wants(t, err, store.ErrCorrupt)
		}
		if err == nil && faults == 0 {
			t.Errorf("damage of page %d is not noticed", at/page+1)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		found++
	}
	if found < 10 {
		t.Errorf("only %d pages were tried", found)
	}
}

// An absent file, an empty one and one of an older schema are brought up to
// date by Open; OpenInPlace says what they are, and OpenReader reads what Open
// would make of them.
func TestOpenBringsUpToDate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		make   func(t *testing.T, path string)
		reader any // see wants
	}{
		{"absent", func(*testing.T, string) {}, os.ErrNotExist},
		{"empty", func(t *testing.T, path string) { write(t, path, nil) }, "its schema is older"},
		{"older", func(t *testing.T, path string) {
			runSQL(t, path, fmt.Sprintf(`PRAGMA application_id = %d`, schema.ApplicationID))
		}, "its schema is older"},
		{"without a schema yet", func(t *testing.T, path string) { runSQL(t, path, `PRAGMA journal_mode = WAL`) }, "its schema is older"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			tt.make(t, path)
			_, err := store.OpenInPlace(t.Context(), path)
			wants(t, err, tt.reader)
			if r, err := store.OpenReader(t.Context(), path); tt.name != "absent" {
				wants(t, err, nil)
				_, err := r.Next(t.Context())
				wants(t, err, store.ErrNoChain)
				wants(t, r.Close(), nil)
			}
			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			closeAndCheck(t, s)
			prepare(t, s, 0, stored(t, 0, 3))
			if got := rowsOf(t, path, `PRAGMA page_size`)[0][0]; got != int64(8192) && (tt.name == "absent" || tt.name == "empty") {
				t.Errorf("page size is %d", got)
			}
		})
	}
}

// The writer has what it was measured with, and what durability needs.
func TestPragmas(t *testing.T) {
	s := newStore(t, 0)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "page_size": "8192",
	} {
		var got string
		if err := s.Writer().QueryRowContext(t.Context(), `PRAGMA `+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", pragma, got, err, want)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, name := range []string{"with space", "why?", "a#b", "50%", "100%25", "?mode=memory", "ключ 鍵 🔑", "a&b=c;d", "a+b", `quo"te'`, "file:x", ":memory:"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name, name+".db")
			if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			prepare(t, s, 0, stored(t, 0, 2))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(entries) != 2 {
				t.Errorf("the folder has %v, %v, want the file and its lock", entries, err)
			}
			if done := checkIndex(t, path); done.Blocks != 3 {
				t.Errorf("%d blocks", done.Blocks)
			}
		})
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := store.Open(t.Context(), "gapless.db")
	if err != nil {
		t.Fatal(err)
	}
	closeAndCheck(t, s)
	if !filepath.IsAbs(s.Path()) {
		t.Errorf("path is %s", s.Path())
	}
}

// Places where nothing can be made. Permissions do not bind root, so something
// else is in the way of what SQLite or the lock would make.
func TestOpenWhereNothingCanBeMade(t *testing.T) {
	t.Run("no such folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "absent", "gapless.db")
		_, err := store.Open(t.Context(), path)
		wants(t, err, os.ErrNotExist)
		names(t, err, path)
	})
	for _, suffix := range []string{".lock", "-wal", "-shm"} {
		t.Run("writer without "+suffix, func(t *testing.T) {
			path := newPath(t)
			ours(t, path)
			before := files(t, path)
			_ = os.Remove(path + ".lock")
			inTheWay(t, path+suffix)
			_, err := store.Open(t.Context(), path)
			if err == nil {
				t.Fatal("no error")
			}
			names(t, err, path)
			sameFiles(t, before, path)
		})
	}
	t.Run("reader without -shm", func(t *testing.T) {
		path := newPath(t)
		ours(t, path)
		inTheWay(t, path+"-shm")
		checkIndex(t, path) // as in a folder that can't be written
	})
	t.Run("reader without -shm, with a -wal", func(t *testing.T) {
		live := newStore(t, 0, stored(t, 0, 3))
		path := newPath(t)
		for i, content := range files(t, live.Path()) {
			write(t, path+[]string{"", "-wal"}[i], content)
		}
		inTheWay(t, path+"-shm")
		_, err := store.OpenInPlace(t.Context(), path)
		wants(t, err, "can't be opened") // what the -wal has would be left out
		checkIndex(t, path)              // of a copy
	})
}

func inTheWay(t *testing.T, path string) {
	t.Helper()
	_ = os.Remove(path)                                        // if it is there
	if err := os.Symlink("nowhere/at/all", path); err != nil { // SQLite follows none here
		t.Fatal(err)
	}
}

// A reader can't write, whatever it is asked.
func TestReaderCannotWrite(t *testing.T) {
	s := newStore(t, 0, stored(t, 0, 3))
	err := s.Raw(func(db *sql.DB) error {
		_, err := db.Exec(`DELETE FROM blocks`)
		return err
	})
	if err == nil {
		t.Error("a reader has written")
	}
}
