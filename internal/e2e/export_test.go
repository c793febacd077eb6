//go:build e2e && unix

package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"gapless/internal/e2e/nodes"
	"gapless/testdata"
)

// What is exported as RLP goes into a geth of its own, which has the same chain
// then: indexed from there, the file has the same digest, no difference, and
// the same bytes as canonical file.
func TestExportIntoGeth(t *testing.T) {
	dir := t.TempDir()
	genesis := must2(filepath.Abs("../../testdata/chain/genesis.json"))
	original := filepath.Join(dir, "original.rlp")
	if err := testdata.Unpack("../../testdata/chain/chain.rlp.gz", original); err != nil {
		t.Fatal(err)
	}
	first := nodes.StartGeth(t, genesis, original)
	a := indexed(t, first)

	exported := filepath.Join(dir, "exported.rlp")
	command(t, "export", "--db", a, "--format", "rlp", "--out", exported, "--receipts", filepath.Join(dir, "receipts"))
	second := nodes.StartGeth(t, genesis, exported)
	want, got := head(t, first), head(t, second)
	if want.Hash != got.Hash || want.Number != "0x640" {
		t.Fatalf("head %v after the import, want %v", got, want)
	}

	b := indexed(t, second)
	digest := command(t, "digest", "--db", a)
	if again := command(t, "digest", "--db", b); again != digest {
		t.Errorf("digests %s and %s", digest, again)
	}
	t.Logf("%s%s", digest, command(t, "diff", a, b))
	if !bytes.Equal(canonical(t, a), canonical(t, b)) {
		t.Error("the canonical files differ")
	}
	if byGeth := digestOf(t, second, 1600); byGeth != strings.TrimSpace(digest) {
		t.Errorf("digest %s, but of geth's raw answers it is %s", digest, byGeth)
	}
}

// indexed indexes a node's chain into a file.
func indexed(t *testing.T, n *nodes.Node) string {
	t.Helper()
	g := run(t, n.HTTP, "--until", "latest")
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return g.db
}

// command runs a command that must succeed, and gives what it printed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(binary, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args, err, stderr.Bytes())
	}
	return string(out)
}

func canonical(t *testing.T, db string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "canonical.db")
	command(t, "export", "--db", db, "--format", "sqlite", "--out", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type headBlock struct{ Number, Hash string }

func head(t *testing.T, n *nodes.Node) (h headBlock) {
	t.Helper()
	if err := call(t.Context(), n, &h, "eth_getBlockByNumber", "latest", false); err != nil {
		t.Fatal(err)
	}
	return h
}

// digestOf computes a digest from a node's raw answers alone, as anybody could.
func digestOf(t *testing.T, n *nodes.Node, last uint64) string {
	t.Helper()
	var chainID hexutil.Uint64
	if err := call(t.Context(), n, &chainID, "eth_chainId"); err != nil {
		t.Fatal(err)
	}
	about := fmt.Sprintf("gapless-digest/1 %d 0-%d", chainID, last)
	form := []byte(about + "\n")
	for number := range last + 1 {
		form = append(form, canonicalOf(t, n, hexutil.EncodeUint64(number))...)
	}
	return fmt.Sprintf("%s %x", about, sha256.Sum256(form))
}

// canonicalOf makes the canonical form of a block.
func canonicalOf(t *testing.T, n *nodes.Node, number string) []byte {
	t.Helper()
	type transaction struct {
		Hash common.Hash
		From common.Address
	}
	var block struct {
		Hash         common.Hash
		Transactions []transaction
		Uncles       []common.Hash
	}
	var raw hexutil.Bytes
	var receipts []hexutil.Bytes
	for method, into := range map[string]any{"debug_getRawBlock": &raw, "debug_getRawReceipts": &receipts} {
		if err := call(t.Context(), n, into, method, number); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(t.Context(), n, &block, "eth_getBlockByNumber", number, true); err != nil {
		t.Fatal(err)
	}
	items := []any{}
	for _, r := range receipts {
		if r[0] >= 0xc0 { // a list by itself
			items = append(items, rlp.RawValue(r))
		} else {
			items = append(items, []byte(r))
		}
	}
	form, err := rlp.EncodeToBytes([]any{block.Hash, rlp.RawValue(raw), items, block.Transactions, block.Uncles, []any{}})
	if err != nil {
		t.Fatal(err)
	}
	return form
}
