package chain_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// The RLP of the recorded blocks is the file that geth imported.
func TestBlockRLP(t *testing.T) {
	t.Parallel()
	f, err := os.Open(testdata + "/chain/chain.rlp.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range readRecording(t, testdata+"/chain/chain.jsonl.gz").Blocks[1:] {
		got, err := mustDecode(t, raw).AppendRLP(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("block %d differs", raw.Number)
		}
		want = want[len(got):]
	}
	if len(want) > 0 {
		t.Errorf("%d bytes of chain.rlp.gz are left", len(want))
	}
}

// checkRLP compares with what go-ethereum makes of a block and its receipts.
func checkRLP(t *testing.T, b *chain.Block, block *types.Block, receipts types.Receipts) {
	t.Helper()
	got, err := b.AppendRLP(nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := rlp.EncodeToBytes(block)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("block %d: RLP is %x, want %x", b.Number, got, want)
	}
	if want, err = rlp.EncodeToBytes(receipts); err != nil {
		t.Fatal(err)
	}
	if got := b.AppendReceiptsRLP(nil); !bytes.Equal(got, want) {
		t.Errorf("block %d: RLP of the receipts is %x, want %x", b.Number, got, want)
	}
}

// canonical.golden has the keys of nodes' answers that can have another value
// without a change of the canonical form, and those that can be absent (but for
// zeros and empty lists, which absence means). All others are part of it.
func TestCanonical(t *testing.T) {
	t.Parallel()
	var got string
	for _, path := range []string{testdata + "/chain/chain.jsonl.gz", testdata + "/nodes/anvil.jsonl.gz", optimism} {
		var lines []string
		blocks := readRecording(t, path).Blocks
		for i := 0; i < len(blocks); i += max(1, len(blocks)/20) {
			if len(blocks[i].Receipts) < 20_000 { // each key costs a decoding
				lines = append(lines, leftOut(t, blocks[i])...)
			}
		}
		slices.Sort(lines)
		got += filepath.Base(path) + "\n  " + strings.Join(slices.Compact(lines), "\n  ") + "\n"
	}
	if *update {
		if err := os.WriteFile("testdata/canonical.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/canonical.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("canonical.golden (-want +got):\n%s", diff)
	}
}

// leftOut tries every key of a block's answers.
func leftOut(t *testing.T, raw recorded.Block) (found []string) {
	want := mustDecode(t, raw).AppendCanonical(nil)
	var doc map[string]any
	if err := json.Unmarshal(fmt.Appendf(nil, `{"block":%s,"receipts":%s}`, raw.Block, raw.Receipts), &doc); err != nil {
		t.Fatal(err)
	}
	same := func() bool {
		again := recorded.Block{Block: marshal(doc["block"]), Receipts: marshal(doc["receipts"]), Uncles: raw.Uncles}
		b, err := decode(again)
		return err == nil && bytes.Equal(b.AppendCanonical(nil), want)
	}
	eachKey(doc, "", func(name string, object map[string]any, key string) {
		value := object[key]
		delete(object, key)
		if !empty(value) && same() {
			found = append(found, name+" absent")
		}
		if object[key] = another(value); object[key] != nil && same() {
			found = append(found, name+" other")
		}
		object[key] = value
	})
	return found
}

// eachKey calls fn for each key of each object inside v.
func eachKey(v any, path string, fn func(name string, object map[string]any, key string)) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			eachKey(v[i], path, fn)
		}
	case map[string]any:
		for key := range v {
			name := strings.TrimPrefix(path+"."+key, ".")
			if path != "" {
				fn(name, v, key)
			}
			eachKey(v[key], name, fn)
		}
	}
}

func empty(v any) bool {
	list, ok := v.([]any)
	return v == nil || v == "0x" || ok && len(list) == 0 || strings.Trim(fmt.Sprint(v), "0x") == ""
}

// another is another value of the same form, nil for a value without one.
func another(v any) any {
	s, ok := v.(string)
	if !ok || !strings.HasPrefix(s, "0x") {
		return nil
	}
	if last := len(s) - 1; len(s) > 2 && s[last] == '1' {
		return s[:last] + "2"
	} else if len(s) > 2 {
		return s[:last] + "1"
	}
	return "0x01"
}
