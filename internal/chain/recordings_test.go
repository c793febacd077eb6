package chain_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

const (
	testdata = "../../testdata"
	optimism = testdata + "/optimism/optimism.jsonl.gz"
)

// recordings are what real nodes answered, by file name.
func recordings(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(testdata + "/*/*.jsonl.gz")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%d recordings: %v", len(paths), err)
	}
	return paths
}

func readRecording(t testing.TB, path string) *recorded.Chain {
	t.Helper()
	c, err := recorded.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// decode makes a block of a node's answers.
func decode(raw recorded.Block) (*chain.Block, error) {
	b, err := chain.DecodeBlock(raw.Block)
	if err != nil {
		return nil, err
	}
	if err := b.DecodeReceipts(raw.Receipts); err != nil {
		return nil, err
	}
	return b, b.DecodeUncles(raw.Uncles)
}

func mustDecode(t testing.TB, raw recorded.Block) *chain.Block {
	t.Helper()
	b, err := decode(raw)
	if err != nil {
		t.Fatalf("block %d: %v", raw.Number, err)
	}
	return b
}

// encode gives a block's answers again.
func encode(b *chain.Block) recorded.Block {
	raw := recorded.Block{Number: b.Number, Hash: b.Hash, Parent: b.ParentHash,
		Block: b.AppendBlock(nil, true), Receipts: b.AppendReceipts(nil)}
	for i := range b.Uncles {
		raw.Uncles = append(raw.Uncles, b.AppendUncle(nil, i))
	}
	return raw
}

// Every recorded answer of every node is given again.
func TestRecordingsRoundTrip(t *testing.T) {
	for _, path := range recordings(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			for _, raw := range readRecording(t, path).Blocks {
				again := encode(mustDecode(t, raw))
				if diff := diffAnswers(raw, again); diff != "" {
					t.Fatalf("block %d (-recorded +given):\n%s", raw.Number, diff)
				}
			}
		})
	}
}

func diffAnswers(want, got recorded.Block) string {
	diff := diffJSON(want.Block, got.Block) + diffJSON(want.Receipts, got.Receipts)
	if len(want.Uncles) != len(got.Uncles) {
		return diff + fmt.Sprintf("%d uncles, not %d", len(got.Uncles), len(want.Uncles))
	}
	for i := range want.Uncles {
		diff += diffJSON(want.Uncles[i], got.Uncles[i])
	}
	return diff
}

// diffJSON compares as JSON: neither order of keys nor space matters.
func diffJSON(want, got []byte) string {
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		return fmt.Sprintf("%v in %s", err, want)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		return fmt.Sprintf("%v in %s", err, got)
	}
	if reflect.DeepEqual(w, g) { // many times quicker
		return ""
	}
	return cmp.Diff(w, g)
}

// The chain of our own goes through every fork, and a current geth answered:
// nothing about it is odd.
func TestRecordedChain(t *testing.T) {
	t.Parallel()
	c := readRecording(t, testdata+"/chain/chain.jsonl.gz")
	if len(c.Blocks) != 1601 {
		t.Errorf("%d blocks, want 1601", len(c.Blocks))
	}
	for _, raw := range c.Blocks {
		b := mustDecode(t, raw)
		if v := chain.Verify(b, chain.AllChecks); v.Passed != chain.AllChecks || !v.Verified() {
			t.Errorf("block %d: failed %s, not computable %s: %s", b.Number, v.Failed, v.NotComputable, v.Why)
		}
		for what, o := range objects(b) {
			if o.Shape != 0 || o.Extra != nil || o.Unknown() {
				t.Errorf("block %d: %s: shape %#x, extra %s, unknown %v", b.Number, what, o.Shape, o.Extra, o.Unknown())
			}
		}
	}
}

// objects gives all objects of a block by name.
func objects(b *chain.Block) map[string]*chain.Object {
	all := map[string]*chain.Object{"block": &b.Object}
	for i := range b.Uncles {
		all[fmt.Sprint("uncle ", i)] = &b.Uncles[i].Object
	}
	for i := range b.Withdrawals {
		all[fmt.Sprint("withdrawal ", i)] = &b.Withdrawals[i].Object
	}
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		all[fmt.Sprint("transaction ", i)] = &tx.Object
		all[fmt.Sprint("receipt ", i)] = &tx.Receipt.Object
		for j := range tx.Receipt.Logs {
			all[fmt.Sprint("log ", i, " ", j)] = &tx.Receipt.Logs[j].Object
		}
	}
	return all
}
