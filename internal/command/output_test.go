package command

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
)

// failure is why a block is missing in a test, at the bubble's time.
func failure(number uint64, class chain.Class, message string, tries int) *chain.Failure {
	now := time.Now()
	return &chain.Failure{
		Number: number, Class: class, Message: message, Tries: tries, At: now,
		NextAt: now.Add(time.Duration(number) * time.Minute),
	}
}

// show runs commands on a file and gives what they print, with the path and
// sizes taken out.
func show(t *testing.T, path string, commands ...string) string {
	t.Helper()
	var all strings.Builder
	for _, command := range commands {
		code, stdout, stderr := gapless(t, append(strings.Fields(command), "--db", path)...)
		fmt.Fprintf(&all, "$ gapless %s\n%s%s", command, stdout, stderr)
		if code != 0 {
			fmt.Fprintf(&all, "exit %d\n", code)
		}
		all.WriteByte('\n')
	}
	text := strings.ReplaceAll(all.String(), path, "chain.db")
	for pattern, with := range map[string]string{
		`[\d.]+ [kMG]B`:     "SIZE",
		`"(bytes\w*)": \d+`: `"$1": SIZE`,
		`"epoch": "\w+"`:    `"epoch": "EPOCH"`,
		`(?m)^gapless  .*`:  "gapless      VERSION",
		`(?m)^Go  .*`:       "Go           VERSION",
		`(?m)^SQLite  .*`:   "SQLite       VERSION",
		`(?m)^go-eth.*`:     "go-ethereum  VERSION",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return text
}

// What is printed of a file that no process has open.
func TestOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, 300,
			failure(17, chain.BlockError, "127.0.0.1#1: missing trie node (code -32000)", 3),
			failure(30, chain.Invalid, "receipts root is 0x01, not 0x02", 3),
			failure(31, chain.Invalid, "receipts root is 0x03, not 0x04", 9),
			failure(32, chain.Invalid, "receipts root is \x1b[31m0x05, not 0x06", 4),
			failure(33, chain.Pruned, "history is pruned", 3),
			failure(200, chain.NotYet, "null", 3),
		)
		time.Sleep(90 * time.Second)
		mustGapless(t, "skip", "33", "--reason", "nobody has it", "--db", path)
		golden(t, "output", show(t, path, "status", "status --json", "status --report", "gaps", "gaps --json",
			"verify", "verify --from 20 --to 40", "verify --json"))
		golden(t, "changes", show(t, path, "retry 31-33", "gaps", "retry 100", "skip 17 --reason lost", "retry all", "gaps", "status"))
	})
}

// A whole file, and one that has no chain yet.
func TestOutputWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden(t, "whole", show(t, writeFile(t, 60), "status", "gaps", "gaps --json", "verify"))
	})
}

// verify names what is wrong, and its exit code is 4.
func TestOutputFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, 60)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{
			`UPDATE blocks SET gas_used = gas_used + 1 WHERE number = 40`,
			`DELETE FROM blocks WHERE number = 50`,
		} {
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		golden(t, "faults", show(t, path, "verify", "verify --json", "verify --from 41 --to 45"))
	})
}
