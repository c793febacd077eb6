package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node/nodetest"
)

func TestExportParquet(t *testing.T) {
	path := writeFile(t, 60)
	gap := writeFile(t, 70, missing(65)...)
	folder := filepath.Join(t.TempDir(), "data")
	args := func(db string, more ...string) []string {
		return append([]string{"export", "--format", "parquet", "--out", folder, "--db", db}, more...)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"new", args(path, "--range", "25"), 0, "wrote blocks 0 to 60 to " + folder + ": 3 ranges of 25 blocks, and 0 that were there already"},
		{"again", args(path), 0, "0 ranges of 25 blocks, and 3 that were there already"},
		{"more", args(gap, "--to", "64"), 0, "1 range of 25 blocks, and 2 that were there already"},
		{"another size", args(path, "--range", "10"), 1, "has ranges of 25 blocks"},
		{"missing", args(gap), 3, "blocks are missing: 65"},
		{"no folder", []string{"export", "--format", "parquet", "--db", path}, 2, "Parquet is a folder"},
		{"a table", args(path, "--table", "logs"), 2, "--table goes with"},
		{"no blocks", args(path, "--range", "0"), 2, "--range is 0"},
		{"force", args(path, "--force"), 2, "delete it"},
		{"follow a part", args(path, "--follow", "--to", "9"), 2, "leave out --from and --to"},
		{"follow CSV", []string{"export", "--format", "csv", "--out", folder, "--db", path, "--follow"}, 2, "go with the format parquet"},
		{"confirmations alone", args(path, "--confirmations", "3"), 2, "goes with --follow"},
		{"follow nothing", args(filepath.Join(t.TempDir(), "none.db"), "--follow"), 1, "there is no file"},
	} {
		code, stdout, stderr := gapless(t, tt.args...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%s: exit %d, want %d; %s%s", tt.name, code, tt.code, stdout, stderr)
		}
	}
	if names := filesIn(t, folder); len(names) != 3*6+1 {
		t.Errorf("files: %v", names)
	}
	if said := mustGapless(t, "verify", "--db", gap, "--lake", folder); !strings.Contains(said, "checked 18 files of 3 ranges with 65 blocks, 65 of them row by row") {
		t.Errorf("said %s", said)
	}
	if code, stdout, stderr := gapless(t, "verify", "--db", writeFile(t, 50), "--lake", folder); code != exitFault || !strings.Contains(stdout, "the file's last one is 50") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := gapless(t, "verify", "--db", gap, "--lake", folder, "--to", "9"); code != exitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, args(writeFile(t, 50))...) // the head is lower now
	if names := filesIn(t, folder); len(names) != 3*6+1 {
		t.Errorf("files after a revert: %v", names)
	}
}

// A missing block leaves nothing where nothing was.
func TestExportParquetOfMissing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	code, _, stderr := gapless(t, "export", "--format", "parquet", "--out", folder, "--db", writeFile(t, 70, missing(65)...))
	if _, err := os.Stat(folder); code != exitIncomplete || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("exit %d, %v: %s", code, err, stderr)
	}
}

// Ranges are added beside a program that indexes, and what comes of it is what is
// written at once.
func TestExportFollows(t *testing.T) {
	node, url := serve(t, 90)
	db := newDB(t)
	run := begin(t, "run", "--rpc", url, "--db", db, "--listen", "off")
	eventually(t, "block 90", func() bool {
		code, _, _ := gapless(t, "digest", "--db", db, "--to", "90")
		return code == 0
	})
	followed, once := filepath.Join(t.TempDir(), "followed"), filepath.Join(t.TempDir(), "once")
	follow := begin(t, "export", "--db", db, "--format", "parquet", "--out", followed, "--follow", "--range", "20", "--confirmations", "5")
	there := func(first string) func() bool {
		return func() bool {
			found, _ := filepath.Glob(filepath.Join(followed, "blocks", "first_block="+first, "*.parquet"))
			return len(found) == 1
		}
	}
	eventually(t, "the range of block 60", there("60"))
	node.Do(func(n *nodetest.Node) { n.Head = 300 })
	eventually(t, "the range of block 260", there("260"))
	if code := follow.stop(); code != 0 {
		t.Errorf("exit %d: %s", code, follow.stderr.String())
	}
	run.stop()
	mustGapless(t, "export", "--db", db, "--format", "parquet", "--out", once, "--range", "20", "--to", "279")
	want, got := filesIn(t, once), filesIn(t, followed)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, name := range want {
		if contentOf(t, filepath.Join(once, name)) != contentOf(t, filepath.Join(followed, name)) {
			t.Errorf("%s has other bytes", name)
		}
	}
}
