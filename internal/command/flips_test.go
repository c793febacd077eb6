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

var damages = flag.Int("damages", 25, "how many files with one flipped bit are repaired")

// A single flipped bit of a file is found by verify, or it is harmless; and what was
// found is healed by verify --repair, with a node at hand.
func TestRepairOfFlippedBits(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 200)
	made := newDB(t)
	mustGapless(t, "run", "--db", made, "--rpc", url, "--listen", "off", "--until", "200")
	whole, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	digest := mustGapless(t, "digest", "--db", made)
	rng, found, healed := rand.New(rand.NewPCG(16, 3)), 0, 0
	flips := *damages
	if underRace {
		flips = min(flips, 5)
	}
	for range flips {
		at := rng.IntN(8 * len(whole))
		db := newDB(t)
		flipped := bytes.Clone(whole)
		flipped[at/8] ^= 1 << (at % 8)
		if err := os.WriteFile(db, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, said := gapless(t, "verify", "--db", db)
		if code == exitDone {
			if got := mustGapless(t, "digest", "--db", db); got != digest {
				t.Errorf("bit %d is not found:\n%s", at, got)
			}
			continue
		}
		found++
		code, fixing, fixed := gapless(t, "verify", "--repair", "--db", db, "--rpc", url)
		again, check, left := gapless(t, "verify", "--db", db)
		if code != exitDone || again != exitDone {
			t.Errorf("page %d bit %d: found: %s%s\nrepair: exit %d: %s%s\nverify: exit %d: %s%s", at/8/8192+1, at%65536, out, said, code, fixing, fixed, again, check, left)
			continue
		}
		if got := mustGapless(t, "digest", "--db", db); got != digest {
			t.Errorf("page %d bit %d: healed to another:\n%s", at/8/8192+1, at%65536, got)
			continue
		}
		healed++
	}
	t.Logf("%d bits of %d bytes: %d were found, and %d of them healed; the others were harmless", flips, len(whole), found, healed)
}
