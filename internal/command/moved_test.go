package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is taken away from a running gapless ends it, and nothing is lost.
func TestFileTakenAway(t *testing.T) {
	t.Parallel()
	for what, take := range map[string]func(db string) error{
		"removed": os.Remove,
		"renamed": func(db string) error { return os.Rename(db, db+".old") },
		"replaced": func(db string) error {
			return errors.Join(os.Remove(db), os.WriteFile(db, []byte("somebody's"), 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, 60)
			db := filepath.Join(t.TempDir(), "chain.db")
			p, page := follow(t, db, url)
			reaches(t, page, 61, 0)
			if err := take(db); err != nil {
				t.Fatal(err)
			}
			if code := p.wait(); code != exitFailed || !strings.Contains(p.stderr.String(), db+".rescued") {
				t.Errorf("exit %d: %s", code, &p.stderr)
			}
			if got := mustGapless(t, "verify", "--db", db+".rescued"); !strings.Contains(got, "checked block 0 to 60") {
				t.Error(got)
			}
			if content, _ := os.ReadFile(db); what == "replaced" && string(content) != "somebody's" {
				t.Error("the other file was changed")
			}
		})
	}
}
