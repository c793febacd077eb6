package command

import (
	"database/sql"
	"strings"
	"testing"
)

// tamper writes to a file as somebody else would.
func tamper(t *testing.T, db string, statements ...string) {
	t.Helper()
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := file.ExecContext(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		_, url := serve(t, 60)
		db := writeFile(t, 60)
		tamper(t, db, `UPDATE blocks SET state_root = zeroblob(32) WHERE number = 12`, `DELETE FROM logs WHERE block_number = 30`,
			`DELETE FROM transactions WHERE block_number = 31`)
		code, _, _ := gapless(t, "verify", "--db", db)
		if code != exitFault {
			t.Fatalf("verify: exit %d", code)
		}
		if running {
			_, page := follow(t, db, url, "--retry-base", "1ms")
			reaches(t, page, 61, 0)
			code, _, stderr := gapless(t, "verify", "--db", db, "--repair")
			if code != exitFault || !strings.Contains(stderr, "to be fetched anew, now") {
				t.Errorf("exit %d: %s", code, stderr)
			}
			reaches(t, page, 61, 0)
		} else {
			code, _, stderr := gapless(t, "verify", "--db", db, "--repair")
			if code != exitFault || !strings.Contains(stderr, "when gapless run starts") {
				t.Errorf("exit %d: %s", code, stderr)
			}
			mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "60")
		}
		mustGapless(t, "verify", "--db", db)
	}
}

// Numbers that are in no table are found after the start.
func TestAudit(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 60)
	db := writeFile(t, 60)
	tamper(t, db, `DELETE FROM blocks WHERE number IN (3, 4, 40)`, `DELETE FROM transactions WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM logs WHERE block_number IN (3, 4, 40)`, `DELETE FROM transfers WHERE block_number IN (3, 4, 40)`,
		`DELETE FROM uncles WHERE id >> 24 IN (3, 4, 40)`)
	p, _ := follow(t, db, url, "--retry-base", "1ms")
	eventually(t, "the holes are filled", func() bool { return strings.Count(p.stderr.String(), "missing block recovered") == 3 })
	p.stop()
	mustGapless(t, "verify", "--db", db)
}
