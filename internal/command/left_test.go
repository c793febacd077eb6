package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
)

// A command that has read or written the file, with nobody else there, leaves one
// file, beside that by which it was locked.
func TestOneFileIsLeft(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 400)
	made := newDB(t)
	mustGapless(t, "run", "--db", made, "--rpc", url, "--listen", "off", "--until", "400")
	filled, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := os.ReadFile(writeFile(t, 30, failure(7, chain.BlockError, "lost", 3)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args    []string
		content []byte // of the file; nil: filled
		edits   []string
	}{
		{args: []string{"retry", "all"}, content: missing}, {args: []string{"skip", "7", "--reason", "no"}, content: missing},
		{args: []string{"prune", "--below", "5"}},
		{args: []string{"verify", "--complete"}},
		{args: []string{"verify", "--repair", "--complete", "--rpc", url}, edits: []string{`DELETE FROM logs WHERE block_number IN (3, 4, 40)`}},
		{args: []string{"digest"}}, {args: []string{"verify"}}, {args: []string{"status"}}, {args: []string{"gaps"}},
	} {
		db := newDB(t)
		if tt.content == nil {
			tt.content = filled
		}
		if err := os.WriteFile(db, tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(tt.edits) > 0 {
			tamper(t, db, tt.edits...)
		}
		code, _, said := gapless(t, append(tt.args, "--db", db)...)
		if code != exitDone && code != exitIncomplete {
			t.Errorf("%v: exit %d: %s", tt.args, code, said)
		}
		left := filesIn(t, filepath.Dir(db))
		if diff := cmp.Diff([]string{"chain.db", "chain.db.lock"}, left); len(left) > 1 && diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.args, diff)
		}
	}
}
