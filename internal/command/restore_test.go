package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyOver writes the bytes of a file over another, as cp does.
func copyOver(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// leaveWAL gives a file of some blocks whose -wal is left over, as after kill -9.
func leaveWAL(t *testing.T, url string) string {
	t.Helper()
	running, db := newDB(t), newDB(t)
	p, page := follow(t, running, url)
	reaches(t, page, 301, 0)
	for _, suffix := range []string{"", "-wal"} {
		copyOver(t, running+suffix, db+suffix)
	}
	if code := p.stop(); code != exitDone {
		t.Fatalf("exit %d", code)
	}
	if fileSize(db+"-wal") == 0 {
		t.Fatal("there is no -wal")
	}
	return db
}

// A backup that is copied over a file whose -wal is left over is not opened, by
// whatever command, and nothing of it is changed.
func TestStrayWAL(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 300)
	db := leaveWAL(t, url)
	backup := newDB(t)
	mustGapless(t, "backup", backup, "--db", writeFile(t, 60))
	copyOver(t, backup, db)
	for _, args := range [][]string{
		{"run", "--rpc", url, "--listen", "off", "--until", "300"}, {"verify"}, {"status"}, {"backup", newDB(t)}, {"prune", "--below", "5"},
	} {
		code, _, stderr := gapless(t, append(args, "--db", db)...)
		if code != exitFailed || !strings.Contains(stderr, "does not belong to it") || !strings.Contains(stderr, "gapless restore") {
			t.Errorf("%s: exit %d: %s", args[0], code, stderr)
		}
	}
	if fileSize(db+"-wal") == 0 || !sameBytes(t, backup, db) {
		t.Error("something was changed")
	}
	if err := os.Remove(db + "-wal"); err != nil {
		t.Fatal(err)
	}
	if got := mustVerify(t, db); !strings.Contains(got, "61 stored, none missing") {
		t.Error(got)
	}
}

func sameBytes(t *testing.T, a, b string) bool {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(one) == string(two)
}

// restore puts the old file aside with its -wal, and the backup in its place.
func TestRestore(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 300)
	db := leaveWAL(t, url)
	backup := newDB(t)
	mustGapless(t, "backup", backup, "--db", writeFile(t, 60))
	said := mustGapless(t, "restore", backup, "--db", db)
	if !strings.Contains(said, "block 0 to 60, none missing") {
		t.Error(said)
	}
	if got := mustVerify(t, db); !strings.Contains(got, "61 stored, none missing") {
		t.Error(got)
	}
	if fileSize(db+"-wal") > 0 {
		t.Error("a -wal is left")
	}
	asides, err := filepath.Glob(filepath.Join(filepath.Dir(db), "chain-*-replaced.db"))
	if err != nil || len(asides) != 1 {
		t.Fatalf("put aside: %v, %v", asides, err)
	}
	if got := mustVerify(t, asides[0]); !strings.Contains(got, "301 stored, none missing") {
		t.Error(got)
	}
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "300")
	mustVerify(t, db)
}

// restore makes a file that is not there, and changes nothing where it can't do what
// it should.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	backup, fresh := newDB(t), newDB(t)
	mustGapless(t, "backup", backup, "--db", writeFile(t, 60))
	mustGapless(t, "restore", backup, "--db", fresh)
	if got := inFolder(t, fresh); got != "chain.db chain.db.lock" {
		t.Errorf("there are %s", got)
	}
	mustVerify(t, fresh)
	wrong := newDB(t)
	copyOver(t, backup, wrong)
	tamper(t, wrong, `UPDATE blocks SET gas_used = gas_used + 1 WHERE number = 40`)
	running := newDB(t)
	_, page := follow(t, running, url)
	reaches(t, page, 61, 0)
	for _, tt := range []struct {
		name, backup, db string
		code             int
		want             string
	}{
		{"the file itself", fresh, fresh, exitUsage, "is the file itself"},
		{"a backup that is wrong", wrong, fresh, exitFault, "nothing was restored"},
		{"what is no file of gapless", filepath.Join(goldens, "usage.golden"), fresh, exitFailed, "not a file of gapless"},
		{"a file that is open", backup, running, exitFailed, "stop it first"},
		{"nothing", filepath.Join(filepath.Dir(backup), "nothing.db"), fresh, exitFailed, "there is no file"},
	} {
		before := inFolder(t, tt.db)
		code, _, stderr := gapless(t, "restore", tt.backup, "--db", tt.db)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d: %s", tt.name, code, stderr)
		}
		if after := inFolder(t, tt.db); after != before {
			t.Errorf("%s: there were %s, and are %s", tt.name, before, after)
		}
	}
}

// backup --force leaves no file beside a -wal of another.
func TestBackupOverWAL(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 300)
	db := leaveWAL(t, url)
	code, _, stderr := gapless(t, "backup", db, "--force", "--db", writeFile(t, 60))
	if code != exitUsage || !strings.Contains(stderr, "-wal") || !strings.Contains(stderr, "restore") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustVerify(t, db)
}
