package command

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gapless/schema"
	"gapless/testdata"
)

// A file of an earlier schema is refused by all, which say what to do, and stays
// as it is.
func TestEarlierSchema(t *testing.T) {
	t.Parallel()
	path := newDB(t)
	if err := testdata.Unpack("../../testdata/schemas/0003.db.gz", path); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "it has schema 3, this program reads 5 and later; index anew into another file, or export it with the version that made it and import that\n")
}

// So is a file of a later schema.
func TestLaterSchema(t *testing.T) {
	t.Parallel()
	path := writeFile(t, 10)
	tamper(t, path, fmt.Sprintf(`PRAGMA user_version = %d`, schema.All().Last()+1))
	refused(t, path, "made by a newer version of gapless")
}

// refused runs every command that takes a file, and each fails with a message
// and leaves the file as it is.
func refused(t *testing.T, path, want string) {
	t.Helper()
	_, url := serve(t, 20)
	good, archive := writeFile(t, 10), filepath.Join(t.TempDir(), "blocks.jsonl")
	mustGapless(t, "export", "--format", "jsonl", "--db", good, "--out", archive)
	before := contentOf(t, path)
	for _, args := range [][]string{
		{"run", "--rpc", url, "--listen", "off", "--until", "20"}, {"status"}, {"verify"}, {"verify", "--repair", "--rpc", url}, {"gaps"},
		{"retry", "all"}, {"skip", "3", "--reason", "x"}, {"digest"}, {"prune", "--below", "3"}, {"replay", path, "--listen", "127.0.0.1:0"},
		{"export", "--format", "jsonl"}, {"export", "--format", "parquet", "--out", filepath.Join(t.TempDir(), "lake")},
		{"backup", filepath.Join(t.TempDir(), "copy.db")}, {"diff", good, path}, {"import", archive},
	} {
		if !slices.Contains(args, path) {
			args = append(args, "--db", path)
		}
		code, stdout, stderr := gapless(t, args...)
		if code != 1 || strings.Count(stderr, want) != 1 {
			t.Errorf("%s: exit %d: %s%s", args, code, stdout, stderr)
		}
		if contentOf(t, path) != before {
			t.Fatalf("%s has changed the file", args)
		}
	}
}
