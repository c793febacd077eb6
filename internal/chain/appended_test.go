package chain_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

var (
	root     = "0x1f00000000000000000000000000000000000000000000000000000000000042"
	rootData = common.HexToHash(root).Bytes()
)

// A header of a fork that is newer than this program has fields at its end that
// the hash commits to, whatever they are called.
func TestHeaderOfNewerFork(t *testing.T) {
	for _, tt := range []struct {
		name     string
		keys     object
		appended []any // of which the hash is taken
		want     bool
	}{
		{"quantity", object{"more": "0x2a"}, []any{uint64(42)}, true},
		{"zero", object{"more": "0x0"}, []any{uint64(0)}, true},
		{"bare number", object{"more": 42}, []any{uint64(42)}, true},
		{"bytes", object{"more": "0x002a"}, []any{[]byte{0, 42}}, true},
		{"no bytes", object{"more": "0x"}, []any{[]byte{}}, true},
		{"hash", object{"more": root}, []any{rootData}, true},
		{"large quantity", object{"more": "0xde0b6b3a7640000"}, []any{big.NewInt(1e18)}, true},
		{"two", object{"a": "0x2a", "b": root}, []any{uint64(42), rootData}, true},
		{"two in another order", object{"b": "0x2a", "a": root}, []any{uint64(42), rootData}, true},
		{"three", object{"c": "0x1", "a": "0x0002", "b": root}, []any{rootData, []byte{0, 2}, uint64(1)}, true},
		{"one of several", object{"c": "0x1", "a": "0x0002", "b": root, "text": "none", "list": []any{}}, []any{uint64(1)}, true},
		{"four", object{"a": "0x1", "b": "0x2", "c": "0x3", "d": "0x4"}, []any{uint64(1), uint64(2), uint64(3), uint64(4)}, false},
		{"another value", object{"more": "0x2b"}, []any{uint64(42)}, false},
		{"not told", object{}, []any{uint64(42)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := amsterdam(t)
			var block object
			if err := json.Unmarshal(raw.Block, &block); err != nil {
				t.Fatal(err)
			}
			b := mustDecode(t, raw)
			encoded := appendFields(t, b, tt.appended...)
			block["hash"] = crypto.Keccak256Hash(encoded)
			for key, value := range tt.keys {
				block[key] = value
			}
			h, err := chain.DecodeHeader(marshal(block))
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Recompute() == nil; got != tt.want {
				t.Errorf("recomputed %v", got)
			}
			got, err := h.AppendRLP(nil)
			if tt.want && string(got) != string(encoded) || (err == nil) != tt.want {
				t.Errorf("encoded as %x, %v, want %x", got, err, encoded)
			}
			block["stateRoot"] = zeroHash
			if h, err = chain.DecodeHeader(marshal(block)); err != nil || h.Recompute() == nil {
				t.Errorf("another state root is not noticed, %v", err)
			}
		})
	}
}

// amsterdam is an empty block of the newest fork that is known.
func amsterdam(t *testing.T) recorded.Block {
	t.Helper()
	for _, raw := range readRecording(t, testdata+"/nodes/geth-amsterdam.jsonl.gz").Blocks {
		if b := mustDecode(t, raw); b.SlotNumber != nil && len(b.Transactions) == 0 && b.Number > 0 {
			return raw
		}
	}
	t.Fatal("no block has a slot number")
	return recorded.Block{}
}

// appendFields gives the header's RLP with more fields.
func appendFields(t *testing.T, b *chain.Block, more ...any) []byte {
	t.Helper()
	encoded, err := b.Header.AppendRLP(nil)
	if err != nil {
		t.Fatal(err)
	}
	var items []rlp.RawValue
	if err := rlp.DecodeBytes(encoded, &items); err != nil {
		t.Fatal(err)
	}
	for _, v := range more {
		item, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	encoded, err = rlp.EncodeToBytes(items)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// A known field under another name is no field of a newer fork, though the hash
// would come out: what has a column would not be in it.
func TestRenamedForkField(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{testdata + "/chain/chain.jsonl.gz", testdata + "/nodes/geth-amsterdam.jsonl.gz"} {
		for _, raw := range readRecording(t, path).Blocks {
			for _, key := range []string{"baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash", "blockAccessListHash", "slotNumber"} {
				var block object
				if err := json.Unmarshal(raw.Block, &block); err != nil {
					t.Fatal(err)
				}
				value, ok := block[key]
				if !ok || value == "0x0" || seen[key+raw.Hash.Hex()[:3]] { // sixteen of each; none and zero have one encoding
					continue
				}
				seen[key+raw.Hash.Hex()[:3]] = true
				block[key+"s"] = value
				delete(block, key)
				if h, err := chain.DecodeHeader(marshal(block)); err != nil || h.Recompute() == nil {
					t.Errorf("block %d without %s is taken for a newer fork, %v", raw.Number, key, err)
				}
			}
		}
	}
	if len(seen) < 6*16 {
		t.Errorf("%d were tried", len(seen))
	}
}
