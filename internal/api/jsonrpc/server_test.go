package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/jsonrpc"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	for _, tt := range []struct{ name, body, want string }{
		{"two, one of them an error", `[{"jsonrpc":"2.0","id":"a","method":"eth_blockNumber"},{"jsonrpc":"2.0","id":7,"method":"eth_nothing","params":[]}]`,
			`[{"jsonrpc":"2.0","id":"a","result":"0x45e"},{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"the method eth_nothing does not exist/is not available"}}]`},
		{"none", `[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"empty batch"}}`},
		{"no JSON", `{"jsonrpc":`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`},
		{"no call", `{"id":1}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"invalid request"}}`},
		{"too many", "[" + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"},`, 1000) + `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}]`,
			`[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"batch too large"}}]`},
		{"null params", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":null}`, `{"jsonrpc":"2.0","id":1,"result":"0x45e"}`},
		{"params by name", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":{}}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"non-array args"}}`},
		{"subscription", `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"notifications not supported"}}`},
	} {
		sameJSON(t, tt.name, json.RawMessage(tt.want), f.post([]byte(tt.body)))
	}
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	for _, tt := range []struct {
		name, kind, body string
		status           int
	}{
		{"fine", "application/json; charset=utf-8", `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`, 200},
		{"another type", "text/plain", `{}`, 415},
		{"too long", "application/json", strings.Repeat(" ", 6<<20), 413},
	} {
		r, err := http.Post(f.server.URL, tt.kind, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != tt.status {
			t.Errorf("%s: HTTP %d", tt.name, r.StatusCode)
		}
	}
	addresses := strings.TrimSuffix(strings.Repeat(`"0x7000000000000000000000000000000000000001",`, 1001), ",")
	f.fails(-32000, "", "eth_getLogs", `[{"address":[`+addresses+`]}]`)
	f.fails(-32602, "", "eth_getLogs", `[{"topics":[null,null,null,null,null]}]`)
	f.fails(-32602, "", "eth_getLogs", `[{"blockHash":"0x00000000000000000000000000000000000000000000000000000000deadbeef","fromBlock":"0x1"}]`)
}

// What names the chain and this program.
func TestChain(t *testing.T) {
	t.Parallel()
	behind := uint64(1118)
	f := gappy(t, func(o *jsonrpc.Options) { o.Behind = func() (uint64, bool) { return behind, true } })
	f.wants(json.RawMessage(`[]`), "eth_accounts", `[]`)
	f.wants(json.RawMessage(fmt.Sprintf(`"%#x"`, f.chain.ChainID)), "eth_chainId", `[]`)
	f.wants(json.RawMessage(fmt.Sprintf(`"%d"`, f.chain.ChainID)), "net_version", `[]`)
	f.wants(json.RawMessage(fmt.Sprintf(`"%s (by gapless/test)"`, f.chain.Client)), "web3_clientVersion", `[]`)
	f.wants(json.RawMessage(`false`), "eth_syncing", `[]`)
	behind = 5000
	f.wants(json.RawMessage(`{"startingBlock":"0x44c","currentBlock":"0x45e","highestBlock":"0x1388"}`), "eth_syncing", `[]`)
	f.fails(-32601, "", "evm_mine", `[]`)
}

// stateMethods are all that need the state.
var stateMethods = []string{
	"eth_call", "eth_estimateGas", "eth_createAccessList", "eth_simulateV1", "eth_getBalance", "eth_getCode", "eth_getStorageAt",
	"eth_getStorageValues", "eth_getTransactionCount", "eth_getProof", "eth_config",
	"debug_traceTransaction", "debug_traceBlockByNumber", "debug_traceBlockByHash", "debug_traceCall",
}

func TestStateWithoutNode(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	for _, method := range stateMethods {
		f.fails(-32004, "", method, `[]`)
	}
	f.fails(-32004, "", "eth_getBalance", `["0x7000000000000000000000000000000000000001","latest"]`)
	f.readsOnly()
}

// readsOnly makes sure that nothing is sent, with or without a node.
func (f *fixture) readsOnly() {
	f.t.Helper()
	for _, method := range []string{"eth_sendRawTransaction", "eth_sendRawTransactionSync", "eth_sendTransaction"} {
		f.fails(-32004, "", method, `["0x"]`)
		if got := f.call(method, `["0x"]`); got.Error.Message != "gapless only reads; send to the node" {
			f.t.Errorf("%s: %s", method, got.Error.Message)
		}
	}
}

// A fakeNode answers with what it was asked.
type fakeNode struct{ err error }

func (n *fakeNode) Call(_ context.Context, method string, params []json.RawMessage) (json.RawMessage, error) {
	if n.err != nil {
		return nil, n.err
	}
	return json.Marshal(map[string]any{"method": method, "params": params})
}

// A nodeError is an error with a code inside another one.
type nodeError struct{}

func (nodeError) Error() string  { return "execution reverted" }
func (nodeError) ErrorCode() int { return 3 }
func (nodeError) ErrorData() any { return "0x08c379a0" }

func TestStateByNode(t *testing.T) {
	t.Parallel()
	n := new(fakeNode)
	f := gappy(t, func(o *jsonrpc.Options) { o.Node = n })
	for _, method := range stateMethods {
		f.wants(json.RawMessage(fmt.Sprintf(`{"method":%q,"params":[]}`, method)), method, `[]`)
	}
	f.wants(json.RawMessage(`{"method":"eth_call","params":[{"to":"0x"},null,{}]}`), "eth_call", `[{"to":"0x"},null,{}]`)
	f.wants(json.RawMessage(`{"method":"eth_getBalance","params":["0x1"]}`), "eth_getBalance", `["0x1",null]`)
	f.readsOnly()
	n.err = fmt.Errorf("node#1: %w", nodeError{})
	f.fails(3, `"0x08c379a0"`, "eth_call", `[{}]`)
	n.err = errors.New("no answer")
	f.fails(-32000, "", "eth_call", `[{}]`)
}

// The methods are these and no others.
func TestMethodsByNamespace(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	var modules map[string]string
	if err := json.Unmarshal(f.call("rpc_modules", `[]`).Result, &modules); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"debug": "1.0", "eth": "1.0", "gapless": "1.0", "net": "1.0", "rpc": "1.0", "txpool": "1.0", "web3": "1.0"}
	if diff := cmp.Diff(want, modules); diff != "" {
		t.Error(diff)
	}
}

// A WebSocket answers as HTTP does, and ends with the handler.
func TestSocket(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	c := f.dial()
	var number string
	if err := c.CallContext(t.Context(), &number, "eth_blockNumber"); err != nil || number != "0x45e" {
		t.Errorf("%s, %v", number, err)
	}
	batch := []rpc.BatchElem{{Method: "eth_chainId", Result: new(string)}, {Method: "eth_getBlockByNumber", Args: []any{"0x451", true}, Result: new(any)}}
	if err := c.BatchCallContext(t.Context(), batch); err != nil || batch[0].Error != nil || batch[1].Error == nil {
		t.Errorf("%v, %+v", err, batch)
	}
	heads := make(chan any)
	s, err := c.EthSubscribe(t.Context(), heads, "newHeads")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.EthSubscribe(t.Context(), heads, "x"); err == nil {
		t.Error("x: a subscription")
	}
	f.handler.Close()
	<-s.Err()
}
