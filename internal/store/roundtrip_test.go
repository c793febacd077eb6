package store_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// exactly compares blocks in all their fields.
var exactly = cmp.Options{
	cmp.AllowUnexported(chain.Object{}, chain.Block{}),
	cmp.Comparer(func(a, b uint256.Int) bool { return a == b }),
}

// A missing or unreadable key leaves a nil slice, which the file gives back as
// an empty one: for JSON, the shape and the extra say which it was.
var nilAsEmpty = cmp.Options{sameIfEmpty[byte](), sameIfEmpty[common.Hash](), sameIfEmpty[chain.Header]()}

func sameIfEmpty[E any]() cmp.Option {
	return cmp.FilterValues(func(a, b []E) bool { return len(a) == 0 && len(b) == 0 }, cmp.Comparer(func(_, _ []E) bool { return true }))
}

func TestRoundTripOfAllBlocks(t *testing.T) {
	t.Parallel()
	s := newStore(t, 0)
	decoded := make([]*chain.Block, len(recording().Blocks))
	var entries []store.Entry
	for i := range decoded {
		b, err := decode(&recording().Blocks[i], chain.QuickChecks) // senders by checkIndex
		if err != nil {
			t.Fatal(err)
		}
		decoded[i] = b
		entries = append(entries, store.Entry{Block: b})
	}
	if err := s.Commit(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	for i, want := range decoded {
		roundTrip(t, s, want, &recording().Blocks[i])
	}
}

// The five nodes answer each in their own way, and hardhat and ganache so that
// not all can be computed again: all of it goes through the file.
func TestRoundTripOfNodes(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/nodes/*.jsonl.gz")
	if err != nil || len(paths) != 5 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".jsonl.gz"), func(t *testing.T) {
			c, err := recorded.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), newPath(t))
			if err != nil {
				t.Fatal(err)
			}
			closeAndCheck(t, s)
			id := store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Client: c.Client}
			if err := s.Identify(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			for i := range c.Blocks {
				b, err := decode(&c.Blocks[i], chain.AllChecks)
				if b == nil {
					t.Fatal(err) // a failed check is a devnet's right
				}
				if err := s.Commit(t.Context(), []store.Entry{{Block: b}}); err != nil {
					t.Fatal(err)
				}
				roundTrip(t, s, b, &c.Blocks[i])
			}
		})
	}
}

// roundTrip compares what the file gives with what was decoded and with what
// the node answered.
func roundTrip(t *testing.T, s *store.Store, want *chain.Block, raw *recorded.Block) {
	t.Helper()
	got, err := s.Block(t.Context(), want.Number)
	if err != nil {
		t.Fatal(err)
	}
	want.Verdict.Why = ""              // the words are not stored
	if !reflect.DeepEqual(want, got) { // cmp is slow
		if diff := cmp.Diff(want, got, exactly, nilAsEmpty); diff != "" {
			t.Errorf("block %d (-decoded +loaded):\n%s", want.Number, diff)
		}
	}
	sameJSON(t, want.Number, "block", raw.Block, got.AppendBlock(nil, true))
	sameJSON(t, want.Number, "receipts", raw.Receipts, got.AppendReceipts(nil))
	for i := range raw.Uncles {
		sameJSON(t, want.Number, "uncle", raw.Uncles[i], got.AppendUncle(nil, i))
	}
}

func sameJSON(t *testing.T, number uint64, what string, want, got json.RawMessage) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("block %d: %s: %v in %s", number, what, err, got)
	}
	if !reflect.DeepEqual(w, g) {
		t.Errorf("block %d: %s (-node +file):\n%s", number, what, cmp.Diff(w, g))
	}
}

// A block that has everything that is odd, stored without checks where they
// would refuse it.
func TestRoundTripOfOddBlocks(t *testing.T) {
	const most = "0xffffffffffffffff"
	for _, tt := range []struct {
		name               string
		block, tx, receipt map[string]any // nil removes the key
	}{
		{name: "saturated header", block: map[string]any{"gasLimit": most, "gasUsed": most, "timestamp": most, "size": most, "blobGasUsed": most, "excessBlobGas": "0x8000000000000000"}},
		{name: "saturated transaction", tx: map[string]any{"nonce": most, "gas": most, "v": "0xffffffffffffffffff", "chainId": "0x8000000000000000", "type": "0x7f"}},
		{name: "exactly 63 bits", tx: map[string]any{"nonce": "0x7fffffffffffffff", "v": "0x7fffffffffffffff", "chainId": "0x7fffffffffffffff"}},
		{name: "saturated receipt", receipt: map[string]any{"cumulativeGasUsed": most, "gasUsed": most, "status": most, "blobGasUsed": most}},
		{name: "largest quantities", tx: map[string]any{"value": "0x" + strings.Repeat("f", 64), "gasPrice": "0x" + strings.Repeat("f", 64), "r": "0x" + strings.Repeat("f", 64), "s": "0x0"}},
		{name: "unknown keys", block: map[string]any{"l1Fee": "0x1", "nested": map[string]any{"a": []any{nil, 1.5, "x"}}}, tx: map[string]any{"mint": nil, "sourceHash": "0x1"}, receipt: map[string]any{"l1GasUsed": "0x0"}},
		{name: "missing keys of the block", block: map[string]any{"size": gone, "uncles": gone, "mixHash": gone, "nonce": gone, "extraData": gone, "logsBloom": gone}},
		{name: "missing keys of a transaction", tx: map[string]any{"input": gone, "v": gone, "r": gone, "s": gone, "chainId": gone, "yParity": gone, "accessList": gone, "blockHash": gone, "type": gone}},
		{name: "missing keys of a receipt", receipt: map[string]any{"logsBloom": gone, "status": gone, "effectiveGasPrice": gone, "contractAddress": gone, "type": gone}},
		{name: "nulls", block: map[string]any{"totalDifficulty": nil, "size": nil, "baseFeePerGas": nil}, tx: map[string]any{"to": nil, "chainId": nil, "gasPrice": nil}, receipt: map[string]any{"status": nil, "root": nil}},
		{name: "ganache", block: map[string]any{"totalDifficulty": "0x1"}, tx: map[string]any{"v": "0xa95", "accessList": []any{}}, receipt: map[string]any{"type": "0x0", "contractAddress": nil}},
		{name: "empty lists", tx: map[string]any{"accessList": []any{}, "blobVersionedHashes": []any{}, "authorizationList": []any{}}},
		{name: "odd entries of lists", tx: map[string]any{"accessList": []any{map[string]any{"address": "0x" + strings.Repeat("1", 40), "storageKeys": []any{}, "more": "0x1"}}}},
		{name: "bare numbers", block: map[string]any{"gasUsed": 7, "size": 8}, tx: map[string]any{"nonce": 9}},
		{name: "unreadable", block: map[string]any{"baseFeePerGas": "0x" + strings.Repeat("f", 70), "miner": "0x"}, tx: map[string]any{"to": "x", "value": "1", "input": "0x1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Not by newStore: these blocks are as wrong as their nodes.
			s, err := store.Open(t.Context(), newPath(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			prepare(t, s, 1130, stored(t, 1130, 1130))
			raw := odd(t, recording().Block(1131), tt.block, tt.tx, tt.receipt)
			b, err := decode(raw, 0)
			if err != nil {
				t.Fatal(err)
			}
			chain.Verify(b, chain.AllChecks)
			if err := s.Commit(t.Context(), []store.Entry{{Block: b}}); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, s, b, raw)
			if _, faults := check(t, s.Path()); len(faults) != 0 {
				t.Errorf("the verdict tells of what is wrong, but: %s", faults)
			}
		})
	}
}

type goneType struct{}

// gone marks a key to remove.
var gone = goneType{}

// odd changes keys of a block, its first transaction and its receipt.
func odd(t *testing.T, raw *recorded.Block, block, tx, receipt map[string]any) *recorded.Block {
	t.Helper()
	var b map[string]any
	var receipts []map[string]any
	unmarshal(t, raw.Block, &b)
	unmarshal(t, raw.Receipts, &receipts)
	alter(b, block)
	alter(b["transactions"].([]any)[0].(map[string]any), tx)
	alter(receipts[0], receipt)
	return &recorded.Block{Number: raw.Number, Hash: raw.Hash, Parent: raw.Parent,
		Block: marshal(t, b), Receipts: marshal(t, receipts), Uncles: raw.Uncles}
}

func alter(keys, changes map[string]any) {
	for key, value := range changes {
		if value == gone {
			delete(keys, key)
		} else {
			keys[key] = value
		}
	}
}

func unmarshal(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// A number whose rows would have no id is refused, also when there are none.
func TestBlockNumberTooLarge(t *testing.T) {
	const most = 1<<39 - 1
	s := newStore(t, most)
	wants(t, s.Commit(t.Context(), missing(most, most+1)), "block 549755813888 is past 549755813887")
	wants(t, s.Commit(t.Context(), missing(most, most)), nil)
	wants(t, s.Commit(t.Context(), missing(most+1, most+1)), "block 549755813888 is past 549755813887")
}
