package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Whatever is sent is answered, with JSON that is not too much, and no method
// crashes.
func FuzzRequest(f *testing.F) {
	fixture := newFixture(f, recording(), 1100)
	fixture.commit(1130, 1105, 1106, 1130)
	block := fixture.chain.Block(1110)
	_, hashes := hashesOf(f, block.Block)
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`,
		`[{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x451",true]},{"jsonrpc":"2.0","id":"x","method":"eth_getBlockByHash","params":["` + block.Hash.Hex() + `",false]}]`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockReceipts","params":[{"blockHash":"` + block.Hash.Hex() + `","requireCanonical":true}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByHash","params":["` + hashes[0].Hex() + `"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionReceipt","params":["` + hashes[0].Hex() + `"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByBlockNumberAndIndex","params":["latest","0x0"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getUncleByBlockNumberAndIndex","params":["earliest","0x0"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x457","toBlock":"latest","address":["0x7000000000000000000000000000000000000001"],"topics":[null,["0x00000000000000000000000000000000000000000000000000000000000000aa",null]]}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"blockHash":"` + block.Hash.Hex() + `"}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":["0x5","latest",[10,50.5]]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_newFilter","params":[{"toBlock":"0x460"}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_getFilterChanges","params":["0x1"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_uninstallFilter","params":["0x1"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"debug_getRawBlock","params":["0x460"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"debug_getRawReceipts","params":["safe"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"gapless_missing","params":["0x0","pending"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{},"latest"]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}`,
		`{"jsonrpc":"2.0","id":1,"method":"eth_baseFee"}`, `[]`, `null`, `{`, `[null]`, `{"method":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := fixture.post(body)
		if len(answer) > 0 && !json.Valid(answer) {
			t.Errorf("not JSON: %.200q", answer)
		}
		if bytes.Contains(answer, []byte("crashed")) && !bytes.Contains(body, []byte("crashed")) {
			t.Errorf("%s", answer)
		}
		const most = 40 << 20 // the largest batch and its last answer
		if len(answer) > most {
			t.Errorf("%d bytes", len(answer))
		}
	})
}
