//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/e2e/nodes"
	"gapless/testdata"
)

var httpClient = &http.Client{Timeout: time.Minute}

// replay starts `gapless replay` for a file on a free port, and gives its URL.
// It is ended with the test.
func replay(t *testing.T, db string, args ...string) (url string) {
	t.Helper()
	_, url = startReplay(t, db, args...)
	return url
}

// index runs `gapless run` for a node up to its head, and gives the file.
func index(t *testing.T, n *nodes.Node, args ...string) (db string) {
	t.Helper()
	g := run(t, n.HTTP, append([]string{"--until", "latest"}, args...)...)
	if code := g.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	g.verify()
	return g.db
}

// The fixtures of the Ethereum execution-apis are answered from the file alone,
// where their folder is given.
func TestConformanceFixtures(t *testing.T) {
	dir := os.Getenv("GAPLESS_CONFORMANCE")
	if dir == "" {
		t.Skip("not run: GAPLESS_CONFORMANCE names no folder")
	}
	n := nodes.StartGeth(t, filepath.Join(dir, "genesis.json"), filepath.Join(dir, "chain.rlp"))
	db := index(t, n, "--verify", "strict")
	n.Stop()
	url := replay(t, db)
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.io"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		if err := fixture(t, url, path); err != nil {
			t.Errorf("%s: %v", strings.TrimPrefix(path, dir), err)
		}
	}
	t.Logf("%d fixtures", len(paths))
}

// fixture compares the answers with those of a file of requests (>>) and
// answers (<<), leaving the text of errors aside.
func fixture(t *testing.T, url, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var request string
	for line := range strings.Lines(string(text)) {
		kind, body, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch kind {
		case ">>":
			request = body
		case "<<":
			if diff := cmp.Diff(withoutText(t, []byte(body)), withoutText(t, post(t, url, request))); diff != "" {
				return fmt.Errorf("%s (-fixture +replay):\n%s", request, diff)
			}
		}
	}
	return nil
}

func withoutText(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if e, ok := answer["error"].(map[string]any); ok {
		delete(e, "message")
		delete(e, "data")
	}
	return answer
}

func post(t *testing.T, url, body string) []byte {
	t.Helper()
	r, err := httpClient.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A comparison asks a node and the replay of its file the same.
type comparison struct {
	t         *testing.T
	node      *nodes.Node
	url       string
	asked     int
	different int
}

// same asks both, and gives the node's answer. Of errors the codes are
// compared.
func (c *comparison) same(method string, params ...any) any {
	c.t.Helper()
	want, wantErr := c.ask(c.node.HTTP, method, params)
	got, gotErr := c.ask(c.url, method, params)
	c.asked++
	if diff := cmp.Diff(want, got); diff != "" || wantErr != gotErr {
		c.different++
		if c.different < 20 {
			c.t.Errorf("%s%v: error %d of the node, %d of replay (-node +replay):\n%s", method, params, wantErr, gotErr, diff)
		}
	}
	return want
}

func (c *comparison) ask(url, method string, params []any) (result any, code int) {
	c.t.Helper()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		c.t.Fatal(err)
	}
	var answer struct {
		Result any
		Error  struct{ Code int }
	}
	if err := json.Unmarshal(post(c.t, url, string(body)), &answer); err != nil { // on a kept connection: there are many
		c.t.Fatal(err)
	}
	return answer.Result, answer.Error.Code
}

// blocks compares all that can be asked about the blocks up to the node's head,
// by the methods that all nodes have.
func (c *comparison) blocks(step int) {
	c.t.Helper()
	var head int
	fmt.Sscanf(must(c.t, c.node, "eth_blockNumber"), "0x%x", &head)
	for number := 0; number <= head; number += step {
		c.block(fmt.Sprintf("%#x", number))
	}
	c.block("latest")
	c.block("earliest")
	none := "0x00000000000000000000000000000000000000000000000000000000deadbeef"
	c.same("eth_getBlockByNumber", fmt.Sprintf("%#x", head+1), true)
	c.same("eth_getBlockByHash", none, true)
	c.same("eth_getTransactionByHash", none)
	c.same("eth_getTransactionReceipt", none)
	c.same("eth_getLogs", map[string]any{"fromBlock": "0x0", "toBlock": "latest"})
	c.same("eth_chainId")
	c.same("eth_blockNumber")
}

func (c *comparison) block(number string) {
	c.t.Helper()
	block, _ := c.same("eth_getBlockByNumber", number, true).(map[string]any)
	hash := block["hash"]
	c.same("eth_getBlockByNumber", number, false)
	c.same("eth_getBlockByHash", hash, true)
	c.same("eth_getBlockByHash", hash, false)
	c.same("eth_getBlockTransactionCountByNumber", number)
	c.same("eth_getBlockTransactionCountByHash", hash)
	c.same("eth_getTransactionByBlockNumberAndIndex", number, "0x0")
	c.same("eth_getTransactionByBlockHashAndIndex", hash, "0x0")
	c.same("eth_getTransactionByBlockHashAndIndex", hash, "0xffff")
	c.same("eth_getLogs", map[string]any{"blockHash": hash})
	c.same("eth_getLogs", map[string]any{"fromBlock": number, "toBlock": number})
	for _, tx := range block["transactions"].([]any) {
		hash := tx.(map[string]any)["hash"]
		c.same("eth_getTransactionByHash", hash)
		c.same("eth_getTransactionReceipt", hash)
	}
}

// ofGeth compares what geth has beyond the others, and its errors.
func (c *comparison) ofGeth(step int) {
	c.t.Helper()
	var head int
	fmt.Sscanf(must(c.t, c.node, "eth_blockNumber"), "0x%x", &head)
	for number := 0; number <= head; number += step {
		at := fmt.Sprintf("%#x", number)
		for _, method := range []string{
			"eth_getHeaderByNumber", "eth_getBlockReceipts", "eth_getUncleCountByBlockNumber",
			"debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts",
		} {
			c.same(method, at)
		}
		c.same("eth_getUncleByBlockNumberAndIndex", at, "0x0")
		c.same("eth_getRawTransactionByBlockNumberAndIndex", at, "0x0")
	}
	for _, wrong := range [][]any{
		{}, {"0x1"}, {"0x01", true}, {"", true}, {5, true}, {"0x1", "x"}, {nil, true}, {"0x1", true, true},
		{"0x8000000000000000", true}, {"finalized", true}, {"0xfffffff", true},
	} {
		c.same("eth_getBlockByNumber", wrong...)
		c.same("eth_getBlockByHash", wrong...)
		c.same("eth_getBlockReceipts", wrong...)
		c.same("eth_getTransactionByHash", wrong...)
		c.same("eth_getBlockTransactionCountByNumber", wrong...)
	}
	for _, criteria := range []map[string]any{
		{"fromBlock": "0x5", "toBlock": "0x1"}, {"fromBlock": "0xfffffff"}, {"fromBlock": "0x0", "toBlock": "0xfffffff"}, {"fromBlock": "pending"},
		{"topics": []any{nil, nil, nil, nil, nil}}, {"topics": []any{"0x12"}}, {"address": "0x12"}, {"address": 5}, {"topics": []any{5}}, {"fromBlock": "finalized"},
		{"fromBlock": "0x0", "topics": []any{nil, []any{}}}, {},
	} {
		c.same("eth_getLogs", criteria)
	}
	c.same("net_version")
	c.same("eth_nothing")
	c.same("eth_accounts")
}

func TestReplayEqualsGeth(t *testing.T) {
	dir := "../../testdata/chain"
	rlp := filepath.Join(t.TempDir(), "chain.rlp")
	if err := testdata.Unpack(filepath.Join(dir, "chain.rlp.gz"), rlp); err != nil {
		t.Fatal(err)
	}
	n := nodes.StartGeth(t, must2(filepath.Abs(filepath.Join(dir, "genesis.json"))), rlp)
	c := comparison{t: t, node: n, url: replay(t, index(t, n))}
	c.blocks(1)
	c.ofGeth(1)
	t.Logf("%d answers, %d different", c.asked, c.different)
}

func TestReplayEqualsDevelopmentNodes(t *testing.T) {
	for name, start := range map[string]func(*testing.T) *nodes.Node{
		"anvil":   func(t *testing.T) *nodes.Node { return nodes.StartAnvil(t) },
		"hardhat": func(t *testing.T) *nodes.Node { return nodes.StartHardhat(t, "") },
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			for i := range 20 {
				transfer(t, n, i+1)
				emit(t, n)
			}
			c := comparison{t: t, node: n, url: replay(t, index(t, n))}
			c.blocks(1)
			c.same("eth_gasPrice")
			c.same("eth_maxPriorityFeePerGas")
			t.Logf("%d answers, %d different", c.asked, c.different)
		})
	}
}

// emit creates a contract that says something while it is created.
func emit(t *testing.T, n *nodes.Node) {
	t.Helper()
	var accounts []string
	if err := json.Unmarshal([]byte(must(t, n, "eth_accounts")), &accounts); err != nil {
		t.Fatal(err)
	}
	must(t, n, "eth_sendTransaction", map[string]string{ // mstore(0, 42) log1(0, 32, 7)
		"from": accounts[0], "data": "0x602a600052600760206000a100", "gas": "0x186a0",
	})
}

// The libraries that most programs use do the same with replay as with geth.
func TestLibraries(t *testing.T) {
	n := nodes.StartGethDev(t, 0)
	for i := range 6 {
		transfer(t, n, i+1)
		emit(t, n)
		settle(t, n)
	}
	var head int
	fmt.Sscanf(must(t, n, "eth_blockNumber"), "0x%x", &head)
	for name, module := range map[string]string{
		"viem":   nodes.Library(t, "viem", "2.57.20"),
		"ethers": nodes.Library(t, "ethers", "6.17.0"),
	} {
		t.Run(name, func(t *testing.T) {
			fmt.Sscanf(must(t, n, "eth_blockNumber"), "0x%x", &head)
			var accounts []string
			if err := json.Unmarshal([]byte(must(t, n, "eth_accounts")), &accounts); err != nil {
				t.Fatal(err)
			}
			send := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"from":%q,"to":%[1]q,"value":"0x5"}]}`, accounts[0])
			block := "BLOCK=" + mined(t, n, head)
			byNode := script(t, name, module, n.HTTP, n.WS, send, block)
			url := replay(t, index(t, n), "--pace", "manual", "--start", fmt.Sprint(head))
			byReplay := script(t, name, module, url, "ws"+strings.TrimPrefix(url, "http"), `{"jsonrpc":"2.0","id":1,"method":"evm_mine"}`, block)
			if diff := cmp.Diff(byNode, byReplay); diff != "" {
				t.Errorf("(-geth +replay):\n%s", diff)
			}
			if lines := strings.Count(byNode, "\n"); lines < 22 {
				t.Errorf("%d lines of output:\n%s", lines, byNode)
			}
		})
	}
}

// mined is the last block that has a transaction.
func mined(t *testing.T, n *nodes.Node, head int) string {
	t.Helper()
	for ; head > 0; head-- {
		if at := fmt.Sprintf("%#x", head); must(t, n, "eth_getBlockTransactionCountByNumber", at) != "0x0" {
			return at
		}
	}
	t.Fatal("no block has a transaction")
	return ""
}

// settle waits until the node has nothing pending.
func settle(t *testing.T, n *nodes.Node) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status := must(t, n, "txpool_status")
		if strings.Contains(status, `"pending":"0x0"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still pending: %s", status)
		}
	}
}

// script runs testdata/name.cjs, and gives what it prints.
func script(t *testing.T, name, modules, url, ws, grow, block string) string {
	t.Helper()
	cmd := exec.Command("node", filepath.Join("testdata", name+".cjs"))
	cmd.Env = append(os.Environ(), "MODULE="+filepath.Join(modules, name), "HTTP_URL="+url, "WS_URL="+ws, "GROW="+grow, block)
	cmd.WaitDelay = time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s against %s: %v\n%s%s", name, url, err, out, stderr.Bytes())
	}
	return string(out)
}
