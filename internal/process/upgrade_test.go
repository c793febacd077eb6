package process_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/store"
	"gapless/schema"
	"gapless/testdata"
)

// The program is killed while it brings a file of an earlier schema up to date, at
// another moment each time: the next start finishes, and nothing is lost. At each
// statement: see TestKilledInTheMiddle of schema.
func TestKilledInAnUpgrade(t *testing.T) {
	t.Parallel()
	packed, err := filepath.Glob("../../testdata/schemas/*.db.gz")
	if err != nil || len(packed) == 0 {
		t.Fatal(packed, err)
	}
	_, url := serve(t, 70)
	for _, from := range packed {
		if filepath.Base(from) == fmt.Sprintf("%04d.db.gz", len(schema.All())) {
			continue // kept for the next migration
		}
		for looks := range 8 {
			t.Run(fmt.Sprintf("%s, after %d looks", filepath.Base(from), looks), func(t *testing.T) {
				t.Parallel()
				db := newDB(t)
				if err := testdata.Unpack(from, db); err != nil {
					t.Fatal(err)
				}
				out := &output{}
				cmd := gapless(out, nil, "run", "--db", db, "--rpc", url, "--listen", "off")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = cmd.Wait() // it is killed
				}()
				for left := 1 + 40*looks; left > 0; { // not a time: looks at what it has said
					if strings.Contains(out.String(), "bringing the file up to date") {
						left--
					}
					select {
					case <-ended:
						t.Fatalf("it has ended:\n%s", out)
					default:
					}
				}
				_ = cmd.Process.Kill()
				<-ended
				goesOn(t, db, url)
			})
		}
	}
}

// goesOn starts the program on a file of an earlier schema, with three blocks
// missing of which one is skipped, and proves what comes of it.
func goesOn(t *testing.T, db, url string) {
	t.Helper()
	if code, said := exitOf(t, nil, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "70", "--wait", "10ms"); code != 3 {
		t.Errorf("exit %d: %s", code, said)
	}
	r, err := store.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := store.Checker{Fault: func(f store.Fault) { t.Errorf("fault: %s", f) }}
	done, err := c.Check(t.Context(), r)
	if err != nil || done.To != 70 || done.Missing < 1 || done.Missing > 3 {
		t.Errorf("blocks to %d with %d missing, %v", done.To, done.Missing, err)
	}
	rows, err := r.JournalAfter(t.Context(), 0, 100)
	reverts := 0
	for _, row := range rows {
		if row.Kind == "reorg" {
			reverts++
		}
	}
	if err != nil || reverts != 1 {
		t.Errorf("the journal tells of %d reverts, %v", reverts, err)
	}
}
