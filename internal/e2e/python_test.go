//go:build e2e && unix

package e2e

import (
	"database/sql"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node/nodetest"
	"gapless/testdata"
)

// huge are amounts whose sums no number of Python's sqlite3, and no DECIMAL, holds.
var huge = []string{
	"115792089237316195423570985008687907853269984665640564039457584007913129639935", // 2^256-1
	"100000000000000000000000000000000000000",                                        // 10^38
	"340282366920938463463374607431768211456",                                        // 2^128
	"99999999999999999999999999999999999999",                                         // with the next, past 38 digits
	"1",
}

// What README shows for Python sums up exactly what is in the file.
func TestReadmePython(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nodetest.New(testdata.Recording()))
	defer server.Close()
	g := run(t, server.URL, "--until", "300")
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	makeHuge(t, g.db)
	type total struct {
		count int
		sum   big.Int
	}
	totals := make(map[string]*total)
	var tokens []string
	for _, row := range sqlite(t, g.db, `SELECT lower(hex(token)), amount FROM transfers WHERE standard = 20 ORDER BY token`) {
		if totals[row[0]] == nil {
			totals[row[0]], tokens = new(total), append(tokens, row[0])
		}
		amount, _ := new(big.Int).SetString(row[1], 10) // gapless verify holds them to be numbers
		totals[row[0]].count++
		totals[row[0]].sum.Add(&totals[row[0]].sum, amount)
	}
	want := ""
	for _, token := range tokens {
		want += fmt.Sprintf("0x%s %d %s\n", token, totals[token].count, &totals[token].sum)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", string(readmeBlock(t, "python")))
	cmd.Dir = filepath.Dir(g.db)
	said, err := cmd.CombinedOutput()
	if diff := cmp.Diff(want, string(said)); diff != "" || err != nil || want == "" {
		t.Errorf("%v (-want +Python):\n%s", err, diff)
	}
}

// makeHuge gives the first transfers of a file huge amounts.
func makeHuge(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for i, amount := range huge {
		_, err := db.ExecContext(t.Context(), `UPDATE transfers SET amount = ? WHERE (block_number, log_index) IN
			(SELECT block_number, log_index FROM transfers WHERE standard = 20 ORDER BY token, block_number, log_index LIMIT 1 OFFSET ?)`, amount, i)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
