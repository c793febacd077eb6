//go:build unix

package process_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// nobody is a user id that owns nothing here.
const nobody = 65534

// A file or a folder that can't be written is said to be so, with what to do,
// and is as it was.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	// What a user may write depends on who he is, and root may all: as root the
	// program is run as somebody else, to whom all is given that he shall have.
	var env []string
	if os.Getuid() == 0 {
		env = []string{asUser + "=" + strconv.Itoa(nobody)}
	}
	for _, tt := range []struct {
		name         string
		file, folder os.FileMode // of the file, which is not there if 0, and its folder
		want         string
	}{
		{"a file", 0o444, 0o755, "chain.db: permission denied"},
		{"a folder with a file", 0o644, 0o555, "the file and its folder must be writable"},
		{"a folder without one", 0, 0o555, "the file and its folder must be writable"},
		{"a folder that can't be entered", 0o644, 0o000, "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := openFolder(t)
			db := filepath.Join(folder, "chain.db")
			args := []string{"run", "--db", db, "--rpc", url, "--listen", "off", "--until", "30"}
			var before []byte
			if tt.file != 0 {
				if code, said := exitOf(t, env, args...); code != 0 {
					t.Fatalf("exit %d: %s", code, said)
				}
				before = read(t, db)
				mode(t, db, tt.file)
				if err := os.Remove(db + ".lock"); err != nil {
					t.Fatal(err)
				}
			}
			mode(t, folder, tt.folder)
			args[len(args)-1] = "50"
			code, said := exitOf(t, env, args...)
			if code != 1 || !strings.Contains(said, tt.want) || strings.Count(said, "\n") > 2 {
				t.Errorf("exit %d: %s", code, said)
			}
			mode(t, folder, 0o755)
			if tt.file == 0 {
				return
			}
			if !bytes.Equal(before, read(t, db)) {
				t.Error("the file has changed")
			}
			mode(t, db, 0o644)
			if code, said := exitOf(t, env, args...); code != 0 {
				t.Errorf("once it can be written: exit %d: %s", code, said)
			}
			isWhole(t, db, 51)
		})
	}
}

// What can't be read, and a folder that can't be written to, are said to be so with
// what to do, by whatever flag or argument they are named.
func TestRights(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 20)
	var env []string
	if os.Getuid() == 0 {
		env = []string{asUser + "=" + strconv.Itoa(nobody)}
	}
	folder := openFolder(t)
	at := func(name string) string { return filepath.Join(folder, name) }
	for _, args := range [][]string{
		{"run", "--db", at("chain.db"), "--rpc", url, "--listen", "off", "--until", "20"},
		{"export", "--db", at("chain.db"), "--format", "rlp", "--out", at("chain.rlp"), "--receipts", at("receipts.rlp")},
		{"backup", at("secret.db"), "--db", at("chain.db")},
	} {
		if code, said := exitOf(t, env, args...); code != 0 {
			t.Fatalf("%s: exit %d: %s", args, code, said)
		}
	}
	for _, name := range []string{"nodes", "labels"} {
		if err := os.WriteFile(at(name), []byte(url), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nodes", "labels", "chain.rlp", "receipts.rlp", "secret.db"} {
		mode(t, at(name), 0)
	}
	if err := os.Mkdir(at("closed"), 0o555); err != nil { // root's, where it is root who tests
		t.Fatal(err)
	}
	closed := filepath.Join(at("closed"), "out")
	for _, args := range [][]string{
		{"run", "--rpc-file", at("nodes"), "--listen", "off"},
		{"run", "--labels", at("labels"), "--db", at("chain.db"), "--rpc", url, "--listen", "127.0.0.1:0"},
		{"run", "--db", closed, "--rpc", url, "--listen", "off", "--until", "9"},
		{"status", "--db", at("secret.db")},
		{"verify", "--db", at("secret.db")},
		{"replay", at("secret.db"), "--listen", "127.0.0.1:0"},
		{"diff", at("secret.db"), at("chain.db")},
		{"import", at("chain.rlp"), "--receipts", at("receipts.rlp"), "--db", at("new.db")},
		{"import", at("chain.rlp"), "--receipts", at("receipts.rlp"), "--db", closed},
		{"backup", closed, "--db", at("chain.db")},
		{"export", "--format", "jsonl", "--out", closed, "--db", at("chain.db")},
		{"export", "--format", "csv", "--out", closed, "--db", at("chain.db")},
		{"export", "--format", "csv", "--out", at("closed"), "--db", at("chain.db")},
		{"export", "--format", "parquet", "--out", closed, "--db", at("chain.db")},
	} {
		code, said := exitOf(t, env, args...)
		hint := strings.Contains(said, "give yourself the right") || strings.Contains(said, "must be writable")
		if code != 1 && code != 2 || !hint || !strings.Contains(said, "permission denied") || strings.Count(said, "\n") > 2 {
			t.Errorf("%s: exit %d: %s", strings.ReplaceAll(strings.Join(args, " "), folder, ""), code, said)
		}
	}
	for _, name := range []string{"new.db", "new.db.lock"} {
		if _, err := os.Stat(at(name)); err == nil {
			t.Errorf("there is a %s", name)
		}
	}
}

// openFolder is a new folder that belongs to the user under whom the program
// runs, with a way to it that anybody may go.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "gapless-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(folder, 0o755) // to be removed
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if os.Getuid() == 0 {
		if err := os.Chown(folder, nobody, nobody); err != nil {
			t.Skipf("NOT TESTED: this root can't give a folder away: %v", err)
		}
	}
	return folder
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func mode(t *testing.T, path string, m os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, m); err != nil {
		t.Fatal(err)
	}
}
