package archive_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/archive"
	"gapless/internal/node/devchain"
)

// The checker finds what is wrong with a folder, or with the file.
func TestDatasetCheck(t *testing.T) {
	t.Parallel()
	spec := devchain.Spec{Blocks: 50, Transactions: 2, Logs: 1}
	path := newFile(t, devchain.Build(spec), 50)
	short := newFile(t, devchain.Build(spec), 44)
	gappy := newFile(t, devchain.Build(spec), 50, 7, 8)
	spec.Fork, spec.Salt = 30, "fork"
	fork := newFile(t, devchain.Build(spec), 50)
	spec.Fork = 0
	other := newFile(t, devchain.Build(spec), 50)
	value := copyOf(t, path)
	edit(t, value, `UPDATE transactions SET gas_used = gas_used + 1 WHERE id = (SELECT max(id) FROM transactions)`)
	for _, tt := range []struct {
		name, path string
		damage     func(t *testing.T, folder string)
		want       string // of the first fault; empty: there is none
		err        string
	}{
		{"as it should be", path, nil, "", ""},
		{"missing blocks", gappy, nil, "", ""},
		{"a lower head", short, nil, "blocks 40 to 50 are in the folder, but the file's last one is 44", ""},
		{"a fork", fork, nil, "a row of block 30 has another hash than the file", ""},
		{"another value", value, nil, "", "gas used is not what the cumulative gas says"},
		{"another chain", other, nil, "", "has another chain"},
		{"another byte", path, func(t *testing.T, folder string) { change(t, one(t, folder, "logs")) }, "and the SHA-256", ""},
		{"a file gone", path, func(t *testing.T, folder string) { os.Remove(one(t, folder, "blocks")) }, "which gapless.json names", ""},
		{"a file too many", path, func(t *testing.T, folder string) {
			os.Link(one(t, folder, "logs"), filepath.Join(folder, "logs/first_block=20/20-39-00000000.parquet"))
		}, "is not named by gapless.json", ""},
		{"no export", path, func(t *testing.T, folder string) { os.Remove(filepath.Join(folder, "gapless.json")) }, "", "no export of Parquet"},
	} {
		folder := t.TempDir()
		add(t, folder, selected(t, path), 20)
		if tt.damage != nil {
			tt.damage(t, folder)
		}
		var found []string
		c := archive.DatasetCheck{Reader: openReader(t, tt.path), Fault: func(what string) { found = append(found, what) }}
		err := c.Check(t.Context(), folder)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if tt.want == "" && found != nil || tt.want != "" && (found == nil || !strings.Contains(found[0], tt.want)) || len(found) != c.Faults {
			t.Errorf("%s: found %v, want %q", tt.name, found, tt.want)
		}
	}
}

// one is the file of a table for blocks 20 to 39.
func one(t *testing.T, folder, table string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, table, "first_block=20", "*.parquet"))
	if len(found) != 1 {
		t.Fatalf("%s: %v, %v", table, found, err)
	}
	return found[0]
}

// change changes a byte in the middle of a file.
func change(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		content[len(content)/2] ^= 1
		err = os.WriteFile(path, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
