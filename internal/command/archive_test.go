package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
)

func missing(numbers ...uint64) (failures []*chain.Failure) {
	for _, n := range numbers {
		failures = append(failures, &chain.Failure{Number: n, Class: chain.BlockError, Message: "no"})
	}
	return failures
}

func TestDigest(t *testing.T) {
	path := writeFile(t, 60)
	line := mustGapless(t, "digest", "--db", path)
	part := mustGapless(t, "digest", "--db", path, "--from", "10", "--to", "20")
	longer := writeFile(t, 70)
	gap := writeFile(t, 70, missing(65)...)
	edited := writeFile(t, 60)
	tamper(t, edited, `UPDATE transactions SET value = '7' WHERE id = 51 << 24`)
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"as expected", []string{"--db", path, "--expect", strings.TrimSpace(line)}, 0, ""},
		{"expected of a file that has grown", []string{"--db", longer, "--expect", strings.TrimSpace(line)}, 0, ""},
		{"expected of a part", []string{"--db", longer, "--expect", strings.TrimSpace(part)}, 0, ""},
		{"another range", []string{"--db", path, "--expect", strings.TrimSpace(line), "--from", "3"}, 4, "not the digest expected"},
		{"what is missing is outside", []string{"--db", gap, "--expect", strings.TrimSpace(part)}, 0, ""},
		{"missing", []string{"--db", gap}, 3, "blocks are missing: 65 (the file is of blocks 0 to 70)"},
		{"past the head", []string{"--db", path, "--to", "80"}, 3, "blocks are missing: 61 to 80"},
		{"edited", []string{"--db", edited}, 4, "block 51: not verified"},
		{"no digest", []string{"--db", path, "--expect", "abc"}, 2, `"abc" is no digest`},
		{"no range", []string{"--db", path, "--from", "5", "--to", "4"}, 2, "no blocks from 5 to 4"},
		{"no file", []string{"--db", filepath.Join(t.TempDir(), "none.db")}, 1, "there is no file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := gapless(t, append([]string{"digest"}, tt.args...)...)
			if code != tt.code || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit %d, want %d; stderr: %s", code, tt.code, stderr)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	a := writeFile(t, 60)
	edited := writeFile(t, 60)
	tamper(t, edited, `UPDATE transactions SET value = '7', status = NULL WHERE id = 51 << 24; UPDATE logs SET data = x'02' WHERE id = 54 << 24`)
	for _, tt := range []struct {
		name string
		args []string
		code int
	}{
		{"equal", []string{a, writeFile(t, 60)}, 0},
		{"longer", []string{a, writeFile(t, 63)}, 4},
		{"longer, in common", []string{a, writeFile(t, 63), "--to", "60"}, 0},
		{"missing", []string{a, writeFile(t, 60, missing(7, 8, 20)...)}, 3},
		{"edited", []string{a, edited}, 4},
		{"edited, as JSON", []string{a, edited, "--json"}, 4},
		{"edited, one", []string{a, edited, "--limit", "1"}, 4},
		{"missing, as JSON", []string{writeFile(t, 60, missing(7)...), writeFile(t, 61), "--json"}, 4},
		{"neither", []string{a, edited, "--from", "100"}, 3},
	} {
		code, stdout, stderr := gapless(t, append([]string{"diff"}, tt.args...)...)
		if code != tt.code {
			t.Errorf("%s: exit %d, want %d: %s", tt.name, code, tt.code, stderr)
		}
		golden(t, "diff-"+strings.NewReplacer(" ", "-", ",", "").Replace(tt.name), stdout+stderr)
	}
	if code, _, stderr := gapless(t, "diff", a, "none.db"); code != exitFailed || stderr != "gapless: there is no file none.db: name another\n" {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := gapless(t, "diff", a); code != exitUsage || !strings.Contains(stderr, "takes 2 arguments") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestExport(t *testing.T) {
	path := writeFile(t, 60)
	folder := t.TempDir()
	to := func(name string) string { return filepath.Join(folder, name) }
	for _, tt := range []struct {
		args  []string
		files []string
	}{
		{[]string{"--format", "jsonl", "--out", to("a.jsonl")}, []string{"a.jsonl"}},
		{[]string{"--format", "jsonl", "--table", "logs", "--out", to("logs.jsonl")}, []string{"logs.jsonl"}},
		{[]string{"--format", "csv", "--table", "logs", "--out", to("logs.csv")}, []string{"logs.csv"}},
		{[]string{"--format", "csv", "--out", to("all")}, []string{"all/blocks.csv", "all/logs.csv", "all/transactions.csv",
			"all/transfers.csv", "all/uncles.csv", "all/withdrawals.csv"}},
		{[]string{"--format", "rlp", "--out", to("a.rlp"), "--receipts", to("a.receipts")}, []string{"a.receipts", "a.rlp"}},
		{[]string{"--format", "sqlite", "--out", to("a.db")}, []string{"a.db"}},
	} {
		args := append([]string{"export", "--db", path}, tt.args...)
		_, stdout, stderr := gapless(t, args...)
		if want := "wrote blocks 0 to 60 to "; stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: %s%s", tt.args, stdout, stderr)
		}
		if diff := cmp.Diff(tt.files, filesIn(t, folder)); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", tt.args, diff)
		}
		first := contentOf(t, to(tt.files[0]))
		if code, _, stderr := gapless(t, args...); code != 1 || !strings.Contains(stderr, "already exists") {
			t.Errorf("%s, again: exit %d: %s", tt.args, code, stderr)
		}
		if tt.files[0] != "all/blocks.csv" {
			mustGapless(t, append(args, "--force")...)
			if contentOf(t, to(tt.files[0])) != first {
				t.Errorf("%s: other bytes the second time", tt.args)
			}
			if len(tt.files) == 1 {
				if stdout := mustGapless(t, append(args[:len(args)-2:len(args)-2], "--out", "-")...); stdout != first {
					t.Errorf("%s: other bytes on stdout", tt.args)
				}
			}
		}
		empty(t, folder)
	}
	verify := to("a.db")
	mustGapless(t, "export", "--db", path, "--format", "sqlite", "--out", verify, "--from", "5", "--to", "9")
	mustGapless(t, "verify", "--db", verify)
}

// What can't be done leaves nothing behind.
func TestExportFails(t *testing.T) {
	path := writeFile(t, 60, missing(33)...)
	edited := writeFile(t, 60)
	tamper(t, edited, `UPDATE transactions SET value = '7' WHERE id = 51 << 24`)
	folder := t.TempDir()
	out := filepath.Join(folder, "out")
	for _, tt := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--format", "sqlite", "--out", out}, 3, "blocks are missing: 33"},
		{[]string{"--format", "csv", "--out", out}, 3, "blocks are missing: 33"},
		{[]string{"--format", "sqlite", "--out", out, "--db", edited}, 4, "block 51: not verified"},
		{[]string{"--format", "csv", "--out", out, "--db", edited}, 4, "block 51: not verified"},
		{[]string{"--format", "rlp", "--out", out, "--receipts", out + "r", "--db", edited}, 4, "block 51: not verified"},
		{[]string{"--format", "jsonl", "--out", filepath.Join(folder, "no", "out"), "--to", "9"}, 2, "make it first"},
		{[]string{"--out", out}, 2, "say with --format"},
		{[]string{"--format", "xml", "--out", out}, 2, `--format is "xml"`},
		{[]string{"--format", "csv"}, 2, "name it with --out"},
		{[]string{"--format", "rlp", "--table", "logs"}, 2, "--table goes with"},
		{[]string{"--format", "csv", "--table", "log"}, 2, `there is no table "log"`},
		{[]string{"--format", "jsonl", "--receipts", out}, 2, "--receipts goes with"},
		{[]string{"--format", "rlp", "--receipts", "-"}, 2, "a file of its own"},
		{[]string{"--format", "rlp", "--receipts", out, "--out", out}, 2, "a file of its own"},
		{[]string{"--format", "jsonl", "--out", path, "--to", "9", "--force"}, 2, "the file that is read"},
	} {
		args := append([]string{"export", "--db", path}, tt.args...)
		code, _, stderr := gapless(t, args...)
		if code != tt.code || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%s: exit %d, want %d; stderr: %s", tt.args, code, tt.code, stderr)
		}
		if left := filesIn(t, folder); left != nil {
			t.Fatalf("%s: left %v", tt.args, left)
		}
	}
}

// A database does not come to lie beside a part of another.
func TestExportBesideAnother(t *testing.T) {
	path := writeFile(t, 10)
	for _, suffix := range []string{"-wal", "-journal"} {
		out := filepath.Join(t.TempDir(), "out.db")
		if err := os.WriteFile(out+suffix, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := gapless(t, "export", "--db", path, "--format", "sqlite", "--out", out, "--force")
		if code != 1 || !strings.Contains(stderr, "part of another database") {
			t.Errorf("exit %d: %s", code, stderr)
		}
		mustGapless(t, "export", "--db", path, "--format", "jsonl", "--out", out)
	}
}

// A file is read while it is written to.
func TestExportWhileRunning(t *testing.T) {
	node, url := serve(t, 300)
	db := newDB(t)
	p := begin(t, "run", "--rpc", url, "--db", db, "--listen", "off")
	eventually(t, "block 300", func() bool {
		code, _, _ := gapless(t, "digest", "--db", db, "--to", "300")
		return code == 0
	})
	want := mustGapless(t, "digest", "--db", db, "--to", "300")
	node.Do(func(n *nodetest.Node) { n.Head = 1600 })
	for range 5 {
		if got := mustGapless(t, "digest", "--db", db, "--to", "300"); got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
		mustGapless(t, "export", "--db", db, "--to", "300", "--format", "sqlite", "--out", filepath.Join(t.TempDir(), "out.db"))
	}
	p.stop()
}

func filesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(folder, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func empty(t *testing.T, folder string) {
	t.Helper()
	for _, name := range filesIn(t, folder) {
		if err := os.RemoveAll(filepath.Join(folder, strings.Split(name, "/")[0])); err != nil {
			t.Fatal(err)
		}
	}
}
