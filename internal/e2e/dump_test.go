//go:build e2e && unix

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/e2e/nodes"
)

// What the sqlite3 shell dumps it restores, and the restored file goes on.
func TestDump(t *testing.T) {
	t.Parallel()
	n := nodes.StartGethDev(t, 1)
	g := run(t, n.HTTP)
	g.follows(n)
	g.stop()
	restored := filepath.Join(t.TempDir(), "restored.db")
	c := exec.CommandContext(g.ctx, "sh", "-c", `sqlite3 "$0" .dump | sqlite3 "$1"`, g.db, restored)
	if said, err := c.CombinedOutput(); err != nil || len(said) > 0 {
		t.Fatalf("%v: %s", err, said)
	}
	verify(t, restored)
	digest := func(db string) string {
		out, err := exec.CommandContext(g.ctx, binary, "digest", "--db", db).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "gapless-digest/") {
			t.Fatalf("digest: %v: %s", err, out)
		}
		return string(out)
	}
	if before, after := digest(g.db), digest(restored); before != after {
		t.Errorf("digest %s, before %s", after, before)
	}
	g.db = restored
	g.start()
	g.follows(n)
	g.stop()
}
