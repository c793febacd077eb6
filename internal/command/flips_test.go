package command

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

var flips = flag.Int("flips", 158, "how many archives with one flipped bit are imported")

// A single flipped bit of an archive is found, or it is harmless: nothing that is
// stored is other than it was.
func TestImportOfFlippedBits(t *testing.T) {
	t.Parallel()
	const from, to = 1003, 1005 // transactions of all types, logs, withdrawals
	c := recording()
	text, err := os.ReadFile(archiveOf(t, c, from, to))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(15, 0))
	folder, found := t.TempDir(), 0
	for i := range *flips {
		flipped := bytes.Clone(text)
		at := rng.IntN(8 * len(text))
		flipped[at/8] ^= 1 << (at % 8)
		path, db := filepath.Join(folder, "flipped.jsonl"), filepath.Join(folder, fmt.Sprint(i, ".db"))
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := gapless(t, "import", path, "--db", db, "--verify", "auto")
		if code != exitDone {
			found++
		}
		if code != exitDone && code != exitFailed && code != exitUsage && code != exitIncomplete {
			t.Errorf("bit %d: exit %d\n%s", at, code, stderr)
		}
		if _, err := os.Stat(db); err == nil {
			sameAsAnswered(t, db, at)
		}
	}
	t.Logf("%d of %d were found, the others were harmless", found, *flips)
}

// sameAsAnswered expects of all that a file has what the node has answered.
func sameAsAnswered(t *testing.T, db string, bit int) {
	t.Helper()
	r, err := store.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hashes, err := r.HashesBetween(t.Context(), 0, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hashes {
		b, err := r.Block(t.Context(), h.Number)
		if err != nil {
			t.Fatal(err)
		}
		want := recording().Block(h.Number)
		if want == nil {
			t.Errorf("bit %d: block %d is stored", bit, h.Number)
			continue
		}
		for _, diff := range append(nodetest.Lies(want.Block, b.AppendBlock(nil, true)), nodetest.Lies(want.Receipts, b.AppendReceipts(nil))...) {
			t.Errorf("bit %d: block %d: %s", bit, h.Number, diff)
		}
	}
}
