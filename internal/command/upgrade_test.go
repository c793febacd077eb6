package command

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"gapless/schema"
)

// Before a file of an older schema is brought up to date, run says what that
// takes; without room it leaves the file as it is.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 3)
	path := newDB(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(`PRAGMA application_id = %d`, schema.ApplicationID)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, said := gapless(t, "status", "--db", path); code != exitFailed || !strings.Contains(said, "its schema is older") {
		t.Errorf("status: exit %d, %s", code, said)
	}
	code, _, said := gapless(t, "run", "--db", path, "--rpc", url, "--listen", "off", "--until", "3", "--min-free", "1000000TB")
	if code != exitFailed || !strings.Contains(said, "has schema 0 and must be brought to") {
		t.Errorf("without room: exit %d, %s", code, said)
	}
	code, _, said = gapless(t, "run", "--db", path, "--rpc", url, "--listen", "off", "--until", "3")
	if code != 0 || !strings.Contains(said, "older versions of gapless won't open it any more") {
		t.Errorf("exit %d, %s", code, said)
	}
	if got := mustGapless(t, "verify", "--db", path); !strings.Contains(got, "0 faults") {
		t.Error(got)
	}
}
