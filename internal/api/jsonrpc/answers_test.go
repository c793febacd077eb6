package jsonrpc_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/recorded"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// For every block of the recorded chain, every answer is what geth has answered.
func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 0)
	f.commit(f.chain.Last())
	for i := range f.chain.Blocks {
		f.everyAnswer(i)
	}
}

// The same for what the other nodes answer, each in its own way.
func TestEveryAnswerOfNodes(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(recordings + "*/*.jsonl.gz")
	if err != nil || len(paths) < 7 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "chain.jsonl.gz") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".jsonl.gz"), func(t *testing.T) {
			c, err := recorded.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f := newFixture(t, c, 0)
			f.commit(f.chain.Last())
			for i := range f.chain.Blocks {
				f.everyAnswer(i)
			}
		})
	}
}

// everyAnswer compares what is answered about a block with the recording.
func (f *fixture) everyAnswer(i int) {
	f.t.Helper()
	raw := &f.chain.Blocks[i]
	full, hashes := hashesOf(f.t, raw.Block)
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw.Block, &keys); err != nil {
		f.t.Fatal(err)
	}
	f.wants(raw.Block, "eth_getBlockByNumber", `["%#x",true]`, raw.Number)
	f.wants(raw.Block, "eth_getBlockByHash", `["%s",true]`, raw.Hash)
	f.wants(raw.Receipts, "eth_getBlockReceipts", `["%#x"]`, raw.Number)
	f.wants(raw.Receipts, "eth_getBlockReceipts", `[{"blockHash":"%s","requireCanonical":true}]`, raw.Hash)
	f.wants(marshal(f.t, logsOf(f.t, raw.Receipts)), "eth_getLogs", `[{"blockHash":"%s"}]`, raw.Hash)
	f.wants(marshal(f.t, hexutil.Uint(len(hashes))), "eth_getBlockTransactionCountByHash", `["%s"]`, raw.Hash)
	f.wants(marshal(f.t, hexutil.Uint(len(raw.Uncles))), "eth_getUncleCountByBlockNumber", `["%#x"]`, raw.Number)
	for j := range raw.Uncles {
		f.wants(raw.Uncles[j], "eth_getUncleByBlockHashAndIndex", `["%s","%#x"]`, raw.Hash, j)
	}
	var receipts []json.RawMessage
	if err := json.Unmarshal(raw.Receipts, &receipts); err != nil {
		f.t.Fatal(err)
	}
	for j, hash := range hashes {
		f.wants(full[j], "eth_getTransactionByHash", `["%s"]`, hash)
		f.wants(full[j], "eth_getTransactionByBlockNumberAndIndex", `["%#x","%#x"]`, raw.Number, j)
		f.wants(receipts[j], "eth_getTransactionReceipt", `["%s"]`, hash)
	}
	keys["transactions"] = marshal(f.t, hashes)
	f.wants(marshal(f.t, keys), "eth_getBlockByNumber", `["%#x",false]`, raw.Number)
	for _, key := range []string{"transactions", "uncles", "withdrawals", "size", "totalDifficulty"} {
		delete(keys, key)
	}
	f.wants(marshal(f.t, keys), "eth_getHeaderByHash", `["%s"]`, raw.Hash)
}

// The RLP of all blocks is the file that geth has imported, byte for byte.
func TestRawBlocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 0)
	f.commit(f.chain.Last())
	in, err := os.Open(recordings + "chain/chain.rlp.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for number := uint64(1); number <= f.chain.Last(); number++ {
		got := f.data("debug_getRawBlock", number)
		want := make([]byte, len(got))
		if _, err := io.ReadFull(z, want); err != nil || !bytes.Equal(want, got) {
			t.Fatalf("block %d: %v, other bytes", number, err)
		}
		if header := f.data("debug_getRawHeader", number); !bytes.Contains(want, header) {
			t.Errorf("header of block %d is not in its block", number)
		}
	}
	if rest, err := io.ReadAll(z); err != nil || len(rest) > 0 {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
}

func (f *fixture) data(method string, number uint64) (data hexutil.Bytes) {
	f.t.Helper()
	r := f.call(method, `["`+hexutil.EncodeUint64(number)+`"]`)
	if err := json.Unmarshal(r.Result, &data); err != nil {
		f.t.Fatalf("%s %d: %v, %+v", method, number, err, r.Error)
	}
	return data
}
