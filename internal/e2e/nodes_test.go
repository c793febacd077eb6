//go:build e2e && unix

package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
	"gapless/testdata"
)

// transfer sends ether between two accounts that the node holds the keys of.
func transfer(t *testing.T, n *nodes.Node, value int) {
	t.Helper()
	var accounts []string
	if err := json.Unmarshal([]byte(must(t, n, "eth_accounts")), &accounts); err != nil {
		t.Fatal(err)
	}
	must(t, n, "eth_sendTransaction", map[string]string{
		"from": accounts[0], "to": accounts[len(accounts)-1], "value": fmt.Sprintf("%#x", value),
	})
}

func TestGethDev(t *testing.T) {
	n := nodes.StartGethDev(t, 1)
	g := run(t, n.WS)
	for i := range 3 {
		transfer(t, n, i+1)
		g.follows(n)
		g.kill()
		time.Sleep(1500 * time.Millisecond)
		g.start()
	}
	g.follows(n)
	n.Stop()
	time.Sleep(3 * time.Second)
	n.Restart()
	transfer(t, n, 9)
	g.follows(n)
	if rows := g.journal("failed"); rows != nil {
		t.Errorf("failed: %+v", rows)
	}
	g.stop()
}

// The recorded chain, imported by a real geth, is what the recording says.
func TestGethWithTheRecordedChain(t *testing.T) {
	dir := "../../testdata/chain"
	rlp := filepath.Join(t.TempDir(), "chain.rlp")
	if err := testdata.Unpack(filepath.Join(dir, "chain.rlp.gz"), rlp); err != nil {
		t.Fatal(err)
	}
	n := nodes.StartGeth(t, must2(filepath.Abs(filepath.Join(dir, "genesis.json"))), rlp)
	g := run(t, n.HTTP, "--until", "latest")
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	g.verify()
	g.follows(n)
	if err := g.read(func(r *store.Reader) error { return equalsRecording(t, r, filepath.Join(dir, "chain.jsonl.gz")) }); err != nil {
		t.Error(err)
	}
}

func must2(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// equalsRecording compares the file with a recording, line by line.
func equalsRecording(t *testing.T, r *store.Reader, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	lines.Scan() // the client
	for number := uint64(0); lines.Scan(); number++ {
		var want struct{ Block, Receipts any }
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			return err
		}
		b, err := r.Block(t.Context(), number)
		if err != nil {
			return err
		}
		if !b.Verdict.Verified() || b.Verdict.NotComputable != 0 {
			return fmt.Errorf("block %d is not verified: %+v", number, b.Verdict)
		}
		if err := sameJSON(want.Block, b.AppendBlock(nil, true)); err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		if err := sameJSON(want.Receipts, b.AppendReceipts(nil)); err != nil {
			return fmt.Errorf("receipts of block %d: %w", number, err)
		}
	}
	return lines.Err()
}

func TestAnvil(t *testing.T) {
	n := nodes.StartAnvil(t)
	g := run(t, n.HTTP)
	for i := range 5 {
		transfer(t, n, i+1)
	}
	snapshot := must(t, n, "evm_snapshot")
	for i := range 4 {
		transfer(t, n, i+10)
	}
	g.follows(n)
	must(t, n, "evm_revert", snapshot)
	g.follows(n) // lower
	snapshot = must(t, n, "evm_snapshot")
	for i := range 3 {
		transfer(t, n, i+20)
	}
	g.follows(n)
	must(t, n, "evm_revert", snapshot)
	for i := range 6 {
		transfer(t, n, i+30) // higher than before, at once
	}
	g.follows(n)
	must(t, n, "anvil_reorg", 3, []any{})
	g.follows(n)
	must(t, n, "anvil_mine", "0x1f4")
	g.follows(n)
	must(t, n, "anvil_reorg", 200, []any{})
	g.follows(n)
	g.stop()
}

// A development node that is started again on its port has another chain, which
// gets a new file.
func TestAnvilRestarts(t *testing.T) {
	n := nodes.StartAnvil(t)
	g := run(t, n.HTTP)
	for i := range 6 {
		transfer(t, n, i+1)
		transfer(t, n, i+2)
		g.follows(n)
		if i%2 == 1 {
			g.kill() // the reset is noticed at the start
		}
		time.Sleep(1100 * time.Millisecond) // else it has the same genesis
		n.Restart()
		if i%2 == 1 {
			g.start()
		}
	}
	transfer(t, n, 1)
	g.follows(n)
	g.stop()
	if aside := g.aside(); len(aside) != 3 {
		t.Errorf("put aside: %v", aside)
	}
}

// A fork of a live chain begins where it was forked.
func TestAnvilFork(t *testing.T) {
	live := nodes.StartGethDev(t, 0)
	for i := range 7 {
		transfer(t, live, i+1)
	}
	for range 500 { // geth makes a block soon after a transaction
		if must(t, live, "eth_blockNumber") >= "0x2" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	n := nodes.StartAnvil(t, "--fork-url", live.HTTP)
	fork := must(t, n, "eth_blockNumber")
	g := run(t, n.HTTP)
	must(t, n, "anvil_mine", "0x5")
	g.follows(n)
	if err := g.read(func(r *store.Reader) error {
		id, err := r.Identity(t.Context())
		if err == nil && (id.Fork == nil || id.Start != id.Fork.Number || fmt.Sprintf("%#x", id.Start) != fork) {
			err = fmt.Errorf("identity %+v, fork %+v instead of %s", id, id.Fork, fork)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	g.kill()
	g.start()
	must(t, n, "anvil_mine", "0x5")
	g.follows(n)
	g.verify()
}

// An impersonated transaction can't be recomputed; a devnet's file keeps it
// all the same and says so.
func TestAnvilImpersonation(t *testing.T) {
	n := nodes.StartAnvil(t)
	g := run(t, n.HTTP)
	from := "0x00000000000000000000000000000000000000aa"
	must(t, n, "anvil_setBalance", from, "0xffffffffffffffff")
	must(t, n, "anvil_impersonateAccount", from)
	must(t, n, "eth_sendTransaction", map[string]string{"from": from, "to": from, "value": "0x1"})
	g.follows(n)
	g.verify()
}

func TestHardhatAndGanache(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *nodes.Node{
		"hardhat": func(t *testing.T) *nodes.Node { return nodes.StartHardhat(t, "") },
		"ganache": func(t *testing.T) *nodes.Node { return nodes.StartGanache(t) },
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			g := run(t, n.HTTP)
			for i := range 5 {
				transfer(t, n, i+1)
			}
			g.follows(n)
			snapshot := must(t, n, "evm_snapshot")
			for i := range 3 {
				transfer(t, n, i+10)
			}
			g.follows(n)
			must(t, n, "evm_revert", snapshot)
			g.follows(n)
			g.kill()
			g.verify()
		})
	}
}

// A public chain through every fork, where its folder is given.
func TestConformanceChain(t *testing.T) {
	dir := os.Getenv("GAPLESS_CONFORMANCE")
	if dir == "" {
		t.Skip("not run: GAPLESS_CONFORMANCE names no folder")
	}
	n := nodes.StartGeth(t, filepath.Join(dir, "genesis.json"), filepath.Join(dir, "chain.rlp"))
	g := run(t, n.HTTP, "--until", "latest", "--verify", "strict")
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	g.verify()
	g.follows(n)
}
