package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"

	"gapless/testdata/manners"
)

// What is asked in odd ways is answered in the manner of the client that the file
// was recorded from. The tables are taken from the real ones, by the end-to-end
// tests.
func TestManners(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]string{
		"geth":     "Geth/v1.17.10-stable/linux-amd64/go1.26.8",
		"anvil":    "anvil/v1.7.1",
		"hardhat2": "HardhatNetwork/2.29.1/@nomicfoundation/edr/0.3.8",
		"hardhat3": "HardhatNetwork/3.18.0/@nomicfoundation/edr/0.3.8",
		"ganache":  "Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js",
		"replayed": "anvil/v1.7.1 (by gapless/v1)",
		"another":  "reth/v2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := *recording()
			c.Client = client
			f := newFixture(t, &c, mannerHead-20)
			f.commit(mannerHead)
			got := manners.Ask(mannerHead, f.ask)
			golden := map[string]string{"replayed": "anvil", "another": "geth"}[name]
			if golden == "" {
				golden = name
			}
			text, err := os.ReadFile(recordings + "manners/" + golden + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			node, want := manners.Read(text)
			if diff := cmp.Diff(string(manners.Table(node, want)), string(manners.Table(node, got))); diff != "" {
				t.Errorf("(-golden +replay):\n%s", diff)
			}
		})
	}
}

// mannerHead is a block of the recording with one transaction that has logs, as
// have the two blocks before it.
const mannerHead = 1116

func (f *fixture) ask(method, params string) (result json.RawMessage, code int, message string) {
	r := f.call(method, params)
	if r.Error != nil {
		return nil, r.Error.Code, r.Error.Message
	}
	return r.Result, 0, ""
}

// Blocks that are missing at the head, or were pruned, are an error in every
// manner.
func TestMannersWithGaps(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"Geth/", "anvil/", "HardhatNetwork/", "Ganache/"} {
		c := *recording()
		c.Client = client
		f := newFixture(t, &c, 1100)
		f.commit(1110, 1105, 1109, 1110)
		for _, params := range []string{`[{"fromBlock":"0x453","toBlock":"0x456"}]`, `[{"fromBlock":"0x453","toBlock":"0xfff"}]`} {
			if r := f.call("eth_getLogs", params); r.Error == nil || r.Error.Data == nil {
				t.Errorf("%s: eth_getLogs%s: %+v", client, params, r)
			}
		}
		f.fails(4444, "", "eth_getLogs", `[{"fromBlock":"0x1","toBlock":"0x44e"}]`)
	}
}

// Development nodes suggest what they are set to, by default.
func TestSuggestionsOfDevelopmentNodes(t *testing.T) {
	t.Parallel()
	for client, price := range map[string]string{"anvil/": "", "HardhatNetwork/": "", "Ganache/": `"0x77359400"`} {
		c := *recording()
		c.Client = client
		f := newFixture(t, &c, 1100)
		f.commit(1110)
		f.wants(json.RawMessage(`"0x3b9aca00"`), "eth_maxPriorityFeePerGas", `[]`)
		if price == "" { // on top of the base fee that comes next
			var fees struct{ BaseFeePerGas []*hexutil.Big }
			if err := json.Unmarshal(f.call("eth_feeHistory", `["0x1","latest",[]]`).Result, &fees); err != nil {
				t.Fatal(err)
			}
			next := fees.BaseFeePerGas[1].ToInt()
			price = fmt.Sprintf(`"%#x"`, next.Add(next, big.NewInt(1_000_000_000)))
		}
		f.wants(json.RawMessage(price), "eth_gasPrice", `[]`)
	}
}
