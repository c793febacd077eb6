package chain_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The table of what verifies on which node. A change to it is a change to what
// gapless stores: look at it well.
func TestChecksTable(t *testing.T) {
	t.Parallel()
	const golden = "testdata/checks.golden"
	var table strings.Builder
	for _, path := range recordings(t) {
		tabulate(t, &table, strings.TrimSuffix(filepath.Base(path), ".jsonl.gz"), readRecording(t, path))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), table.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// tabulate counts for each check the blocks that pass it, and tells why the
// others don't.
func tabulate(t *testing.T, out *strings.Builder, name string, c *recorded.Chain) {
	fmt.Fprintf(out, "%s: %d blocks of %s\n", name, len(c.Blocks), c.Client)
	fmt.Fprintf(out, "  %-20s%8s%16s%8s\n", "", "passed", "not computable", "failed")
	blocks := make([]*chain.Block, len(c.Blocks))
	for i, raw := range c.Blocks {
		blocks[i] = mustDecode(t, raw)
	}
	var reasons strings.Builder
	for check := chain.Check(1); check <= chain.AllChecks; check <<= 1 {
		count := map[string]int{}
		for _, b := range blocks {
			verdict, why := oneCheck(b, check)
			count[verdict]++
			if verdict != "passed" {
				fmt.Fprintf(&reasons, "  %s of block %d %s\n", check, b.Number, why)
			}
		}
		fmt.Fprintf(out, "  %-20s%8d%16d%8d\n", check, count["passed"], count["not computable"], count["failed"])
	}
	fmt.Fprintln(out, longHash.ReplaceAllString(reasons.String(), "$1…"))
}

var longHash = regexp.MustCompile("(0x[0-9a-f]{8})[0-9a-f]{56}")

func oneCheck(b *chain.Block, check chain.Check) (verdict, why string) {
	v := chain.Verify(b, check)
	switch check {
	case v.Passed:
		return "passed", ""
	case v.NotComputable:
		return "not computable", strings.TrimPrefix(v.Why, check.String()+" ")
	}
	return "failed", "failed: " + v.Why
}
