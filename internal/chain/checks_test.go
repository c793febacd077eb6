package chain_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
		var passed, notComputable, failed int
		for _, b := range blocks {
			v := chain.Verify(b, check)
			switch check {
			case v.Passed:
				passed++
				continue
			case v.NotComputable:
				notComputable++
				fmt.Fprintf(&reasons, "  block %d, not computable: %s\n", b.Number, v.Why)
			case v.Failed:
				failed++
				fmt.Fprintf(&reasons, "  block %d, failed: %s\n", b.Number, v.Why)
			}
		}
		fmt.Fprintf(out, "  %-20s%8d%16d%8d\n", check, passed, notComputable, failed)
	}
	fmt.Fprintf(out, "%s\n", reasons.String())
}
