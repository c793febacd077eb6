package devchain

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// decode decodes a block as the client does.
func decode(t *testing.T, raw recorded.Block) *chain.Block {
	t.Helper()
	b, err := chain.DecodeBlock(raw.Block)
	if err == nil {
		err = b.DecodeReceipts(raw.Receipts)
	}
	if err == nil {
		err = b.DecodeUncles(raw.Uncles)
	}
	if err != nil {
		t.Fatalf("block %d: %v", raw.Number, err)
	}
	return b
}

// Blocks verify, and are what this program takes for geth's answers: nothing
// is unknown and no key is missing.
func TestBuiltBlocksAreAsGeth(t *testing.T) {
	// 300 transactions have a trie with extensions and three levels
	for _, spec := range []Spec{
		{Blocks: 30, Transactions: 4, Logs: 3, Uncles: 3},
		{Blocks: 1, Transactions: 300, Logs: 1},
		{Blocks: 3, Transactions: 17, ChainID: 1 << 51},
	} {
		for _, raw := range Build(spec).Blocks {
			b := decode(t, raw)
			if v := chain.Verify(b, chain.AllChecks); !v.Verified() {
				t.Fatalf("block %d: %+v", b.Number, v)
			}
			objects := []*chain.Object{&b.Object}
			for i := range b.Transactions {
				objects = append(objects, &b.Transactions[i].Object, &b.Transactions[i].Receipt.Object)
			}
			for i := range b.Uncles {
				objects = append(objects, &b.Uncles[i].Object)
			}
			for _, o := range objects {
				if o.Shape != 0 || o.Extra != nil || o.Unknown() {
					t.Fatalf("block %d: shape %b, extra %s", b.Number, o.Shape, o.Extra)
				}
			}
		}
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	spec := Spec{Blocks: 20, Transactions: 2, Logs: 1}
	one := Build(spec)
	if diff := cmp.Diff(one, Build(spec)); diff != "" {
		t.Error(diff)
	}
	spec.Blocks, spec.Fork, spec.Salt = 25, 8, "other"
	other := Build(spec)
	for number := range uint64(21) {
		same := one.Block(number).Hash == other.Block(number).Hash
		if same != (number < 8) {
			t.Errorf("block %d: same hash %t", number, same)
		}
	}
}
