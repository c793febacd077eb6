package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
)

// These tests hold why a recorded root is not the one that go-ethereum's types
// compute, so that whoever verifies the recordings can tell a node's fault
// from their own.

// anvil puts a blob transaction into the transactions root as it was sent,
// with its sidecar, which it also gives in the block.
func TestAnvilRootHoldsSidecar(t *testing.T) {
	found := 0
	for number, line := range lines(t, "anvil") {
		b := readBlock(t, line)
		for i, text := range b.Transactions {
			var sidecar struct {
				Type        hexutil.Uint64
				Blobs       []hexutil.Bytes
				Commitments []hexutil.Bytes
				CellProofs  []hexutil.Bytes
			}
			decode(t, text, &sidecar)
			if sidecar.Type != types.BlobTxType {
				continue
			}
			found++
			if len(b.Transactions) != 1 || i != 0 {
				t.Fatalf("block %d: this test wants a block of one transaction", number)
			}
			var tx types.Transaction
			decode(t, text, &tx)
			plain, err := tx.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			// type || rlp([fields, version, blobs, commitments, proofs])
			pooled, err := rlp.EncodeToBytes([]any{
				rlp.RawValue(plain[1:]), uint8(1), sidecar.Blobs, sidecar.Commitments, sidecar.CellProofs,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := root(slices.Concat(plain[:1], pooled)); got != b.TransactionsRoot {
				t.Errorf("block %d: root with sidecar %v, want %v", number, got, b.TransactionsRoot)
			}
		}
	}
	if found == 0 {
		t.Error("no blob transaction")
	}
}

// ganache writes the status of a failed transaction as a zero byte, not as the
// empty string that the number zero is in RLP.
func TestGanacheRootHoldsZeroByte(t *testing.T) {
	failed := 0
	for number, line := range lines(t, "ganache") {
		b := readBlock(t, line)
		var receipts types.Receipts
		decode(t, line.Receipts, &receipts)
		var encoded [][]byte
		for _, r := range receipts {
			status := []byte{byte(r.Status)}
			failed += int(1 - r.Status)
			text, err := rlp.EncodeToBytes([]any{status, r.CumulativeGasUsed, r.Bloom, r.Logs})
			if err != nil {
				t.Fatal(err)
			}
			if r.Type != types.LegacyTxType {
				text = slices.Concat([]byte{r.Type}, text)
			}
			encoded = append(encoded, text)
		}
		if got := root(encoded...); got != b.ReceiptsRoot {
			t.Errorf("block %d: %v, want %v", number, got, b.ReceiptsRoot)
		}
	}
	if failed == 0 {
		t.Error("no failed transaction")
	}
}

// Transactions of impersonated accounts: what holds of their hash and root if
// their fields are encoded as told, whatever their signature is. Their sender
// is nowhere the one that the signature gives.
func TestImpersonated(t *testing.T) {
	for _, tt := range []struct {
		node string
		hash func(encoded []byte, from common.Address) common.Hash
	}{
		{"anvil", func(encoded []byte, from common.Address) common.Hash {
			if encoded[0] <= types.SetCodeTxType {
				encoded, _ = rlp.EncodeToBytes(encoded) // as within a list
			}
			return crypto.Keccak256Hash(encoded, from[:])
		}},
		{"hardhat", func(encoded []byte, _ common.Address) common.Hash { return crypto.Keccak256Hash(encoded) }},
		{"ganache", func(encoded []byte, _ common.Address) common.Hash { return crypto.Keccak256Hash(encoded) }},
	} {
		t.Run(tt.node, func(t *testing.T) {
			found := 0
			for number, line := range lines(t, tt.node) {
				b := readBlock(t, line)
				if len(b.Transactions) != 1 {
					continue
				}
				var f fields
				decode(t, b.Transactions[0], &f)
				if f.From != whale && f.From != whale2 {
					continue
				}
				found++
				text := f.encode(t)
				if got := tt.hash(text, f.From); got != f.Hash {
					t.Errorf("block %d, type %d: hash %v, want %v", number, f.Type, got, f.Hash)
				}
				if got := root(text); got != b.TransactionsRoot {
					t.Errorf("block %d, type %d: root %v, want %v", number, f.Type, got, b.TransactionsRoot)
				}
			}
			if found == 0 {
				t.Error("none found")
			}
		})
	}
}

// fields are those of a transaction of type 0 to 2. They are read without any
// regard to whether the signature can be one.
type fields struct {
	Type                               hexutil.Uint64
	Hash                               common.Hash
	From                               common.Address
	To                                 *common.Address
	ChainID, Nonce, Gas, GasPrice      hexutil.Big
	MaxFeePerGas, MaxPriorityFeePerGas hexutil.Big
	Value                              hexutil.Big
	Input                              hexutil.Bytes
	AccessList                         types.AccessList
	V, R, S                            hexutil.Big
}

func (f *fields) encode(t *testing.T) []byte {
	t.Helper()
	to := []byte{}
	if f.To != nil {
		to = f.To[:]
	}
	var list []any
	switch f.Type {
	case types.LegacyTxType:
		list = []any{f.Nonce.ToInt(), f.GasPrice.ToInt()}
	case types.AccessListTxType:
		list = []any{f.ChainID.ToInt(), f.Nonce.ToInt(), f.GasPrice.ToInt()}
	case types.DynamicFeeTxType:
		list = []any{f.ChainID.ToInt(), f.Nonce.ToInt(), f.MaxPriorityFeePerGas.ToInt(), f.MaxFeePerGas.ToInt()}
	default:
		t.Fatalf("type %d", f.Type)
	}
	list = append(list, f.Gas.ToInt(), to, f.Value.ToInt(), []byte(f.Input))
	if f.Type != types.LegacyTxType {
		list = append(list, f.AccessList)
	}
	v := f.V.ToInt().Uint64()
	if f.Type != types.LegacyTxType && v == 28 {
		v = 1 // hardhat says the one, and encodes the other
	}
	text, err := rlp.EncodeToBytes(append(list, v, f.R.ToInt(), f.S.ToInt()))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != types.LegacyTxType {
		text = slices.Concat([]byte{byte(f.Type)}, text)
	}
	return text
}

type block struct {
	TransactionsRoot, ReceiptsRoot common.Hash
	Transactions                   []json.RawMessage
}

func readBlock(t *testing.T, line blockLine) (b block) {
	t.Helper()
	decode(t, line.Block, &b)
	return b
}

func decode(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// lines returns the blocks of a recording.
func lines(t *testing.T, node string) []blockLine {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", node+".jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []blockLine
	for line := range bytes.Lines(text[bytes.IndexByte(text, '\n')+1:]) {
		var b blockLine
		decode(t, line, &b)
		blocks = append(blocks, b)
	}
	return blocks
}

// root is the root of the trie of a list of encoded things.
func root(encoded ...[]byte) common.Hash {
	return types.DeriveSha(list(encoded), trie.NewStackTrie(nil))
}

type list [][]byte

func (l list) Len() int                           { return len(l) }
func (l list) EncodeIndex(i int, w *bytes.Buffer) { w.Write(l[i]) }
