package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
)

// A log query gives what matches of all receipts, whatever index serves it.
func TestLogQueries(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 0)
	f.commit(f.chain.Last())
	const (
		token    = "0x7000000000000000000000000000000000000001"
		transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
		approval = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
	)
	found := 0
	for _, criteria := range []string{
		`"fromBlock":"earliest"`,
		`"fromBlock":"0x0","toBlock":"0x3e8"`,
		`"fromBlock":"0x0","address":"` + token + `"`,
		`"fromBlock":"0x0","address":["` + token + `","0x00000000000000000000000000000000000000ff"]`,
		`"fromBlock":"0x64","toBlock":"0x4b0","topics":["` + transfer + `"]`,
		`"fromBlock":"0x0","topics":[["` + transfer + `","` + approval + `"]]`,
		`"fromBlock":"0x0","address":"` + token + `","topics":["` + transfer + `"]`,
		`"fromBlock":"0x0","topics":[null,null,null,null]`,
		`"fromBlock":"0x0","topics":[null,null]`,
		`"fromBlock":"0x0","topics":[[],["0x00000000000000000000000000000000000000000000000000000000000000aa"]]`,
		`"fromBlock":"0x0","topics":[]`,
		`"fromBlock":"latest"`, ``,
	} {
		want := f.matching(criteria)
		found += len(want)
		f.wants(marshal(t, want), "eth_getLogs", "[{%s}]", criteria)
	}
	if found < 5000 {
		t.Errorf("only %d logs match", found)
	}
}

// matching gives the logs of the recording that criteria select, the slow way.
func (f *fixture) matching(criteria string) []json.RawMessage {
	f.t.Helper()
	var c struct {
		FromBlock, ToBlock string
		Address            any
		Topics             []any
	}
	if err := json.Unmarshal([]byte("{"+criteria+"}"), &c); err != nil {
		f.t.Fatal(err)
	}
	first, last := f.chain.Last(), f.chain.Last()
	if c.FromBlock == "earliest" {
		first = 0
	} else if c.FromBlock != "latest" && c.FromBlock != "" {
		fmt.Sscanf(c.FromBlock, "0x%x", &first)
	}
	if c.ToBlock != "" {
		fmt.Sscanf(c.ToBlock, "0x%x", &last)
	}
	all := []json.RawMessage{}
	for number := first; number <= last; number++ {
		raws := logsOf(f.t, f.chain.Block(number).Receipts)
		for _, raw := range raws {
			var l struct {
				Address string
				Topics  []string
			}
			if err := json.Unmarshal(raw, &l); err != nil {
				f.t.Fatal(err)
			}
			ok := has(c.Address, l.Address) && len(l.Topics) >= len(c.Topics)
			for i := range c.Topics {
				ok = ok && has(c.Topics[i], l.Topics[i])
			}
			if ok {
				all = append(all, raw)
			}
		}
	}
	return all
}

// has reports whether a value is the wanted one or one of them, or any will do.
func has(want any, value string) bool {
	switch w := want.(type) {
	case string:
		return w == value
	case []any:
		for _, one := range w {
			if one == value {
				return true
			}
		}
		return len(w) == 0
	}
	return true
}

// More than one answer may have is an error that says how far one would go.
func TestTooManyLogs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100, func(o *jsonrpc.Options) { o.MaxLogs = 20_000 })
	f.commit(1102)
	raw := *f.chain.Block(1103)
	var receipts []map[string]any
	if err := json.Unmarshal(raw.Receipts, &receipts); err != nil {
		t.Fatal(err)
	}
	log := map[string]any{"address": "0x70000000000000000000000000000000000000ff", "topics": []any{}, "data": "0x"}
	receipts[0]["logs"] = slices.Repeat([]any{log}, 20_001)
	raw.Receipts = marshal(t, receipts)
	if err := f.store.Commit(t.Context(), []store.Entry{{Block: decode(t, &raw)}}); err != nil {
		t.Fatal(err)
	}
	f.fails(-32005, `{"from":"0x44c","to":"0x44e"}`, "eth_getLogs", `[{"fromBlock":"earliest"}]`)
	f.fails(-32005, ``, "eth_getLogs", `[{"fromBlock":"0x44f","toBlock":"0x44f"}]`)
	if r := f.call("eth_getLogs", `[{"fromBlock":"0x44c","toBlock":"0x44e"}]`); r.Error != nil {
		t.Error(*r.Error)
	}
}
