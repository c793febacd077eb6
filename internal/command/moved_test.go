package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/store/disktest"
)

// A file that is taken away from a running gapless ends it, and nothing is lost.
func TestFileTakenAway(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		take func(db string) error
		stop bool // at once: nobody has looked yet
	}{
		"removed":           {take: os.Remove},
		"removed, stopped":  {take: os.Remove, stop: true},
		"renamed":           {take: func(db string) error { return os.Rename(db, db+".old") }},
		"replaced":          {take: replace},
		"replaced, stopped": {take: replace, stop: true},
		"without its -wal":  {take: func(db string) error { return os.Remove(db + "-wal") }},
		"without its -shm":  {take: func(db string) error { return os.Remove(db + "-shm") }},
		"emptied, stopped":  {take: func(db string) error { return os.Truncate(db+"-wal", 0) }, stop: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, 60)
			db := filepath.Join(t.TempDir(), "chain.db")
			p, page := follow(t, db, url)
			reaches(t, page, 61, 0)
			if err := tt.take(db); err != nil {
				t.Fatal(err)
			}
			if tt.stop {
				p.interrupt()
			}
			if code := p.wait(); code != exitFailed || !strings.Contains(p.stderr.String(), db+".rescued") {
				t.Fatalf("exit %d: %s", code, &p.stderr)
			}
			if got := mustGapless(t, "verify", "--db", db+".rescued"); !strings.Contains(got, "checked block 0 to 60") {
				t.Error(got)
			}
			if content, _ := os.ReadFile(db); strings.HasPrefix(what, "replaced") && string(content) != "somebody's" {
				t.Error("the other file was changed")
			}
		})
	}
}

// replace puts another file in the place of one.
func replace(db string) error {
	return errors.Join(os.Remove(db), os.WriteFile(db, []byte("somebody's"), 0o600))
}

// While what was taken away can't be written to another file, the process stays, says
// so, and is not ready.
func TestNoRoomToRescue(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := newDB(t)
	disk, err := disktest.Watch(db+".rescued", func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	disk.Full.Store(true)
	p, page := follow(t, db, url)
	reaches(t, page, 61, 0)
	if code, body := get(t, page+"/readyz"); code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	if err := os.Remove(db); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not ready, and says why", func() bool {
		code, body := get(t, page+"/readyz")
		return code == 503 && strings.Contains(body, "the only copy")
	})
	if _, body := get(t, page+"/api/v1/blocks/60"); !strings.Contains(body, `"number":60`) {
		t.Errorf("what can be read is not given: %s", body)
	}
	disk.Full.Store(false)
	if code := p.wait(); code != exitFailed {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	mustGapless(t, "verify", "--db", db+".rescued")
}

// Backup tools make hard links: that is said, and is no reason to stop.
func TestLinkedWhileRunning(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := newDB(t)
	p, page := follow(t, db, url)
	reaches(t, page, 61, 0)
	if err := os.Link(db, db+".link"); err != nil {
		t.Fatal(err)
	}
	p.says("another name now (a hard link)")
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}
