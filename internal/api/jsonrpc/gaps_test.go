package jsonrpc_test

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
)

// A file of blocks 1100 to 1120, where 1105, 1106 and 1110 are missing, and at
// its head 1119 and 1120.
func gappy(t *testing.T, more ...func(*jsonrpc.Options)) *fixture {
	f := newFixture(t, recording(), 1100, more...)
	f.commit(1120, 1105, 1106, 1110, 1119, 1120)
	return f
}

const (
	missing1105 = `{"missing":[{"first":"0x451","last":"0x451","nextRetryAt":"2033-05-18T03:51:45Z"}]}`
	missing1110 = `{"missing":[{"first":"0x456","last":"0x456","nextRetryAt":"2033-05-18T03:51:50Z"}]}`
	missingLow  = `{"missing":[{"first":"0x451","last":"0x452","nextRetryAt":"2033-05-18T03:51:45Z"}]}`
	missingBoth = `{"missing":[{"first":"0x451","last":"0x452","nextRetryAt":"2033-05-18T03:51:45Z"},{"first":"0x456","last":"0x456","nextRetryAt":"2033-05-18T03:51:50Z"}]}`
	missingAll  = `{"missing":[{"first":"0x451","last":"0x452","nextRetryAt":"2033-05-18T03:51:45Z"},{"first":"0x456","last":"0x456","nextRetryAt":"2033-05-18T03:51:50Z"},{"first":"0x45f","last":"0x460","nextRetryAt":"2033-05-18T03:51:59Z"}]}`
	missingHead = `{"missing":[{"first":"0x45f","last":"0x460","nextRetryAt":"2033-05-18T03:51:59Z"}]}`
)

// What is missing is an error wherever it is asked for, what is below the start
// another one, and what there is not is null.
func TestGaps(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	const (
		server = -32000
		params = -32602
		pruned = 4444
	)
	unknown := `"0x00000000000000000000000000000000000000000000000000000000deadbeef"`
	below := string(marshal(t, f.chain.Block(1000).Hash))
	for _, tt := range []struct {
		method, params string
		code           int
		data           string // of the error
		want           string // the result, if there is one
	}{
		{"eth_blockNumber", `[]`, 0, "", `"0x45e"`},
		{"eth_getBlockTransactionCountByNumber", `["latest"]`, 0, "", ""},
		{"eth_getBlockByNumber", `["0x451",true]`, server, missing1105, ""},
		{"eth_getBlockByNumber", `["0x451",false]`, server, missing1105, ""},
		{"eth_getBlockByNumber", `["0x456",false]`, server, missing1110, ""},
		{"eth_getHeaderByNumber", `["0x451"]`, server, missing1105, ""},
		{"eth_getBlockReceipts", `["0x451"]`, server, missing1105, ""},
		{"eth_getBlockTransactionCountByNumber", `["0x451"]`, server, missing1105, ""},
		{"eth_getUncleCountByBlockNumber", `["0x451"]`, server, missing1105, ""},
		{"eth_getUncleByBlockNumberAndIndex", `["0x451","0x0"]`, server, missing1105, ""},
		{"eth_getTransactionByBlockNumberAndIndex", `["0x451","0x0"]`, server, missing1105, ""},
		{"eth_getRawTransactionByBlockNumberAndIndex", `["0x451","0x0"]`, server, missing1105, ""},
		{"debug_getRawBlock", `["0x451"]`, server, missing1105, ""},
		{"debug_getRawHeader", `["0x451"]`, server, missing1105, ""},
		{"debug_getRawReceipts", `["0x451"]`, server, missing1105, ""},
		{"eth_getLogs", `[{"fromBlock":"0x451","toBlock":"0x451"}]`, server, missing1105, ""},
		{"eth_getLogs", `[{"fromBlock":"0x44c","toBlock":"0x453"}]`, server, missingLow, ""},
		{"eth_getLogs", `[{"fromBlock":"earliest","toBlock":"latest"}]`, server, missingBoth, ""},
		{"eth_getLogs", `[{"fromBlock":"0x457","toBlock":"0x460"}]`, server, missingHead, ""},
		{"eth_getLogs", `[{"fromBlock":"0x457","toBlock":"0x45e"}]`, 0, "", ""},
		{"eth_getLogs", `[{"fromBlock":"0x457"}]`, 0, "", ""},
		{"eth_getLogs", `[{"fromBlock":"0x457","toBlock":"0x461"}]`, server, missingHead, ""},
		{"eth_getLogs", `[{"fromBlock":"0x461","toBlock":"0x461"}]`, params, "", ""},
		{"eth_getLogs", `[{"fromBlock":"0x3e8","toBlock":"0x44d"}]`, pruned, "", ""},
		{"eth_feeHistory", `["0x2","0x452",[]]`, server, missingLow, ""},
		{"eth_feeHistory", `["0x4","0x454",[50]]`, server, missingLow, ""},
		{"eth_feeHistory", `["0x1","0x45f",[]]`, server, `{"missing":[{"first":"0x45f","last":"0x45f","nextRetryAt":"2033-05-18T03:51:59Z"}]}`, ""},
		{"eth_feeHistory", `["0x9","0x44d",[]]`, pruned, "", ""},
		{"eth_gasPrice", `[]`, server, missing1110, ""},
		{"eth_getBlockByNumber", `["0x460",true]`, server, `{"missing":[{"first":"0x460","last":"0x460","nextRetryAt":"2033-05-18T03:52:00Z"}]}`, ""},
		{"eth_getBlockByNumber", `["0x461",true]`, 0, "", `null`},
		{"eth_getBlockReceipts", `["0x461"]`, 0, "", `null`},
		{"eth_getBlockByNumber", `["0x44b",true]`, pruned, "", ""},
		{"eth_getBlockByNumber", `["0x0",true]`, pruned, "", ""},
		{"eth_getHeaderByNumber", `["0x0"]`, pruned, "", ""},
		{"eth_getBlockReceipts", `["0x0"]`, pruned, "", ""},
		{"eth_getTransactionByBlockNumberAndIndex", `["0x0","0x0"]`, pruned, "", ""},
		{"eth_getBlockByNumber", `["pending",true]`, -32004, "", ""},
		{"eth_getHeaderByNumber", `["pending"]`, 0, "", `null`},
		{"eth_getBlockByNumber", `["finalized",true]`, server, "", ""},
		{"eth_getBlockByNumber", `["safe",true]`, server, "", ""},
		{"eth_getHeaderByNumber", `["safe"]`, 0, "", `null`},
		{"eth_getBlockByHash", `[` + unknown + `,true]`, 0, "", `null`},
		{"eth_getBlockByHash", `[` + below + `,true]`, 0, "", `null`},
		{"eth_getHeaderByHash", `[` + unknown + `]`, 0, "", `null`},
		{"eth_getBlockReceipts", `[` + unknown + `]`, 0, "", `null`},
		{"eth_getTransactionByHash", `[` + unknown + `]`, 0, "", `null`},
		{"eth_getTransactionReceipt", `[` + unknown + `]`, 0, "", `null`},
		{"eth_getLogs", `[{"blockHash":` + unknown + `}]`, server, "", ""},
		{"gapless_missing", `[]`, 0, "", missingAll},
		{"gapless_missing", `["0x452","0x456"]`, 0, "", `{"missing":[{"first":"0x452","last":"0x452","nextRetryAt":"2033-05-18T03:51:46Z"},{"first":"0x456","last":"0x456","nextRetryAt":"2033-05-18T03:51:50Z"}]}`},
		{"gapless_missing", `["0x457","latest"]`, 0, "", `{"missing":[]}`},
		{"eth_getBlockByNumber", `["0x0451",true]`, params, "", ""},
		{"eth_getBlockByNumber", `["0x451"]`, params, "", ""},
		{"eth_getBlockByNumber", `[451,true]`, params, "", ""},
		{"eth_nothing", `[]`, -32601, "", ""},
	} {
		switch {
		case tt.code != 0:
			f.fails(tt.code, tt.data, tt.method, tt.params)
		case tt.want != "":
			f.wants(json.RawMessage(tt.want), tt.method, "%s", tt.params)
		default:
			if r := f.call(tt.method, tt.params); r.Error != nil {
				t.Errorf("%s%s: %+v", tt.method, tt.params, *r.Error)
			}
		}
	}
	f.wants(f.chain.Block(1118).Block, "eth_getBlockByNumber", `["latest",true]`)
	f.wants(f.chain.Block(1100).Block, "eth_getBlockByNumber", `["earliest",true]`)
}

// A block that is skipped has no next retry.
func TestSkipped(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	if err := f.store.Skip(t.Context(), 1110, "lost for ever"); err != nil {
		t.Fatal(err)
	}
	f.fails(-32000, `{"missing":[{"first":"0x456","last":"0x456","nextRetryAt":null}]}`, "eth_getBlockByNumber", `["0x456",true]`)
}

// What the node says is final is what the tags stand for.
func TestFinality(t *testing.T) {
	t.Parallel()
	f := gappy(t)
	tag := func(number uint64) *store.Tag {
		return &store.Tag{Number: number, Hash: f.chain.Block(number).Hash}
	}
	if err := f.store.SetFinality(t.Context(), tag(1104), tag(1105)); err != nil {
		t.Fatal(err)
	}
	f.wants(f.chain.Block(1104).Block, "eth_getBlockByNumber", `["finalized",true]`)
	f.wants(f.chain.Block(1104).Receipts, "eth_getBlockReceipts", `["finalized"]`)
	f.fails(-32000, missing1105, "eth_getBlockByNumber", `["safe",true]`)
	f.fails(-32000, missingLow, "eth_getLogs", `[{"fromBlock":"finalized","toBlock":"0x453"}]`)
}

// A file without blocks says so.
func TestEmpty(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 0)
	for _, method := range []string{"eth_blockNumber", "eth_gasPrice", "eth_baseFee", "eth_blobBaseFee"} {
		f.fails(-32000, "", method, `[]`)
	}
	f.fails(-32000, "", "eth_getBlockByNumber", `["latest",true]`)
	f.wants(json.RawMessage(`null`), "eth_getBlockByNumber", `["0x0",true]`)
	f.wants(marshal(t, hexutil.Uint64(f.chain.ChainID)), "eth_chainId", `[]`)
}

// What is above the head that is shown is not there, by number or by hash.
func TestHead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100, func(o *jsonrpc.Options) { o.Head = func() uint64 { return 1110 } })
	f.commit(1120)
	hidden := f.chain.Block(1115)
	_, hashes := hashesOf(t, hidden.Block)
	f.wants(json.RawMessage(`"0x456"`), "eth_blockNumber", `[]`)
	null := json.RawMessage(`null`)
	f.wants(null, "eth_getBlockByNumber", `["0x457",true]`)
	f.wants(null, "eth_getBlockByHash", `["%s",true]`, hidden.Hash)
	f.wants(null, "eth_getHeaderByHash", `["%s"]`, hidden.Hash)
	f.wants(null, "eth_getTransactionByBlockNumberAndIndex", `["0x45b","0x0"]`)
	for _, hash := range hashes {
		f.wants(null, "eth_getTransactionByHash", `["%s"]`, hash)
		f.wants(null, "eth_getTransactionReceipt", `["%s"]`, hash)
	}
	f.fails(-32602, "", "eth_getLogs", `[{"fromBlock":"0x450","toBlock":"0x457"}]`)
	f.fails(-32000, "", "eth_feeHistory", `["0x1","0x457",[]]`)
}
