package recorded_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"

	gapless "gapless/internal/node"
	"gapless/testdata"
)

func TestWriteAndRead(t *testing.T) {
	want := devchain.Build(devchain.Spec{Blocks: 12, Transactions: 2, Logs: 1, Uncles: 4})
	var file bytes.Buffer
	if err := recorded.Write(&file, want); err != nil {
		t.Fatal(err)
	}
	got, err := recorded.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadRefusesWhatDoesNotFollow(t *testing.T) {
	c := devchain.Build(devchain.Spec{Blocks: 4})
	c.Blocks = append(c.Blocks[:2], c.Blocks[3:]...)
	var file bytes.Buffer
	if err := recorded.Write(&file, c); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	for _, broken := range [][]byte{whole, whole[:len(whole)/2], whole[:5], nil} {
		if c, err := recorded.Read(bytes.NewReader(broken)); err == nil {
			t.Errorf("%d blocks of a broken file", len(c.Blocks))
		}
	}
}

// Every block of the recorded chain, served by the fake node, verifies.
func TestRecordedChainVerifies(t *testing.T) {
	c := testdata.Recording()
	n, err := gapless.New(gapless.Options{URLs: []string{"http://127.0.0.1:8545"}, Transport: nodetest.New(c)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	numbers := make([]uint64, len(c.Blocks))
	for i := range numbers {
		numbers[i] = c.Blocks[i].Number
	}
	results, err := n.Blocks(t.Context(), numbers, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("block %d: %v", r.Number, r.Err)
		}
		if v := chain.Verify(r.Block, chain.AllChecks); !v.Verified() {
			t.Errorf("block %d: %+v", r.Number, v)
		}
	}
}
