package jsonrpc_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// A told is what a subscription or filter has told of a log or a block.
type told struct {
	Block   uint64
	Hash    common.Hash
	Index   int // of a log; -1 for a block
	Removed bool
}

func readLog(t *testing.T, raw json.RawMessage) told {
	t.Helper()
	var l struct {
		BlockNumber hexutil.Uint64
		BlockHash   common.Hash
		LogIndex    hexutil.Uint
		Removed     *bool
	}
	if err := json.Unmarshal(raw, &l); err != nil || l.Removed == nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return told{uint64(l.BlockNumber), l.BlockHash, int(l.LogIndex), *l.Removed}
}

func readHead(t *testing.T, raw json.RawMessage) told {
	t.Helper()
	var h struct {
		Number hexutil.Uint64
		Hash   common.Hash
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return told{uint64(h.Number), h.Hash, -1, false}
}

// logsIn are the logs of a block as they are told.
func logsIn(b *chain.Block, removed bool) (all []told) {
	for i := range b.Transactions {
		for range b.Transactions[i].Receipt.Logs {
			all = append(all, told{b.Number, b.Hash, len(all), removed})
		}
	}
	return all
}

func headOf(b *chain.Block) told { return told{b.Number, b.Hash, -1, false} }

// A client listens in all the ways there are.
type client struct {
	f                      *fixture
	heads, logs            chan json.RawMessage
	blockFilter, logFilter rpc.ID
}

func listen(f *fixture) *client {
	f.t.Helper()
	c := &client{f: f, heads: make(chan json.RawMessage, 1000), logs: make(chan json.RawMessage, 10_000)}
	socket := f.dial()
	for _, s := range []struct {
		into chan json.RawMessage
		args []any
	}{{c.heads, []any{"newHeads"}}, {c.logs, []any{"logs", map[string]any{}}}} {
		if _, err := socket.EthSubscribe(f.t.Context(), s.into, s.args...); err != nil {
			f.t.Fatal(err)
		}
	}
	c.blockFilter, c.logFilter = c.newFilter("eth_newBlockFilter", `[]`), c.newFilter("eth_newFilter", `[{}]`)
	return c
}

func (c *client) newFilter(method, params string) (id rpc.ID) {
	c.f.t.Helper()
	r := c.f.call(method, params)
	if err := json.Unmarshal(r.Result, &id); err != nil {
		c.f.t.Fatal(err, r.Error)
	}
	return id
}

// hears compares what is told in all four ways.
func (c *client) hears(heads, logs []told) {
	t := c.f.t.(*testing.T)
	t.Helper()
	for _, s := range []struct {
		name string
		from chan json.RawMessage
		read func(*testing.T, json.RawMessage) told
		want []told
	}{{"newHeads", c.heads, readHead, heads}, {"logs", c.logs, readLog, logs}} {
		var got []told
		for range s.want {
			select {
			case raw := <-s.from:
				got = append(got, s.read(t, raw))
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: %d of %d came", s.name, len(got), len(s.want))
			}
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
	}
	c.polls(heads, logs)
}

// polls compares what the filters have.
func (c *client) polls(heads, logs []told) {
	t := c.f.t.(*testing.T)
	t.Helper()
	var gotHeads, gotLogs []told
	var wantHeads []told
	for _, h := range heads {
		wantHeads = append(wantHeads, told{Hash: h.Hash})
	}
	var hashes []common.Hash
	r := c.f.call("eth_getFilterChanges", fmt.Sprintf(`[%q]`, c.blockFilter))
	if err := json.Unmarshal(r.Result, &hashes); err != nil {
		t.Fatal(err, r.Error)
	}
	for _, h := range hashes {
		gotHeads = append(gotHeads, told{Hash: h})
	}
	var raws []json.RawMessage
	r = c.f.call("eth_getFilterChanges", fmt.Sprintf(`[%q]`, c.logFilter))
	if err := json.Unmarshal(r.Result, &raws); err != nil {
		t.Fatal(err, r.Error)
	}
	for _, raw := range raws {
		gotLogs = append(gotLogs, readLog(t, raw))
	}
	if diff := cmp.Diff(wantHeads, gotHeads); diff != "" {
		t.Errorf("block filter (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(logs, gotLogs); diff != "" {
		t.Errorf("log filter (-want +got):\n%s", diff)
	}
}

// tells gives the heads and logs of blocks as they are told.
func tells(blocks ...*chain.Block) (heads, logs []told) {
	for _, b := range blocks {
		heads, logs = append(heads, headOf(b)), append(logs, logsIn(b, false)...)
	}
	return heads, logs
}

func (f *fixture) blocks(first, last uint64) (blocks []*chain.Block) {
	for number := first; number <= last; number++ {
		blocks = append(blocks, decode(f.t, f.chain.Block(number)))
	}
	return blocks
}

func removed(blocks []*chain.Block) (logs []told) {
	for _, b := range blocks {
		logs = append(logs, logsIn(b, true)...)
	}
	return logs
}

// Subscriptions and filters hear of blocks on top, of a reorg with what it took
// away, also of blocks from before they came, and of a gap when it is filled.
func TestListeners(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1090)
	f.commit(1110)
	c := listen(f)
	f.commit(1120)
	heads, logs := tells(f.blocks(1111, 1120)...)
	c.hears(heads, logs)

	f.rewind(1105, fork(t, f.chain, 1106, 1112, "0xf0"))
	heads, logs = tells(fork(t, f.chain, 1106, 1112, "0xf0")...)
	c.hears(heads, append(removed(f.blocks(1106, 1120)), logs...))

	f.rewind(1105, f.blocks(1106, 1107)) // and back again, lower
	heads, logs = tells(f.blocks(1106, 1107)...)
	c.hears(heads, append(removed(fork(t, f.chain, 1106, 1112, "0xf0")), logs...))

	f.commit(1115, 1110, 1112)
	heads, logs = tells(append(f.blocks(1108, 1109), f.block(1111), f.block(1113), f.block(1114), f.block(1115))...)
	c.hears(heads, logs)
	f.fill(1112)
	f.fill(1110)
	c.hears(nil, append(logsIn(f.block(1112), false), logsIn(f.block(1110), false)...))

	if _, err := f.store.Suspect(t.Context(), 1110, chain.Invalid, "wrong"); err != nil {
		t.Fatal(err)
	}
	c.hears(nil, logsIn(f.block(1110), true))
	f.fill(1110)
	c.hears(nil, logsIn(f.block(1110), false))
}

func (f *fixture) block(number uint64) *chain.Block { return decode(f.t, f.chain.Block(number)) }

// What came and went between two polls is not told.
func TestFiltersTellTheDifference(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1090, func(o *jsonrpc.Options) { o.Changed = nil }) // nothing but polls looks
	f.commit(1110)
	c := &client{f: f}
	c.blockFilter, c.logFilter = c.newFilter("eth_newBlockFilter", `[]`), c.newFilter("eth_newFilter", `[{}]`)
	f.commit(1120)
	f.rewind(1108, fork(t, f.chain, 1109, 1119, "0xf0"))
	f.rewind(1108, f.blocks(1109, 1112))
	heads, logs := tells(f.blocks(1111, 1112)...)
	c.polls(heads, logs)
}

// Where a reorg takes away more than is remembered, a log filter is gone, so
// that its client begins anew.
func TestDeepReorg(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 900)
	f.commit(1100)
	c := listen(f)
	ended := make(chan error, 1)
	logs := make(chan json.RawMessage, 1000)
	s, err := f.dial().EthSubscribe(t.Context(), logs, "logs", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- <-s.Err() }()
	f.rewind(950, fork(t, f.chain, 951, 960, "0xf0"))
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the subscription has ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Error("the subscription goes on")
	}
	f.fails(-32000, "", "eth_getFilterChanges", fmt.Sprintf(`[%q]`, c.logFilter))
	f.fails(-32000, "", "eth_getFilterChanges", fmt.Sprintf(`[%q]`, c.logFilter))
	if r := f.call("eth_getFilterChanges", fmt.Sprintf(`[%q]`, c.blockFilter)); r.Error != nil {
		t.Error(r.Error)
	}
}

// When the chain begins anew in a new file, those who listen hear that the old
// one's logs are gone, and of the new one from its first block on.
func TestReset(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 0)
	f.commit(20)
	c := listen(f)
	f.commit(25)
	heads, logs := tells(f.blocks(21, 25)...)
	c.hears(heads, logs)
	if _, err := f.store.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Identify(t.Context(), store.Identity{ChainID: f.chain.ChainID, Genesis: f.chain.Blocks[0].Hash, Start: 1000}); err != nil {
		t.Fatal(err)
	}
	f.commit(1010)
	heads, logs = tells(f.blocks(1000, 1010)...)
	c.hears(heads, append(removed(f.blocks(0, 25)), logs...))
}

// A filter that nobody asks for goes after five minutes; one that is polled
// stays.
func TestFilterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureWithoutServer(t)
		idle, polled := f.call("eth_newBlockFilter", `[]`), f.call("eth_newFilter", `[{}]`)
		for range 4 {
			time.Sleep(4 * time.Minute)
			if r := f.call("eth_getFilterChanges", fmt.Sprintf(`[%s]`, polled.Result)); r.Error != nil {
				t.Fatal(*r.Error)
			}
		}
		f.fails(-32000, "", "eth_getFilterChanges", fmt.Sprintf(`[%s]`, idle.Result))
		f.wants(json.RawMessage(`true`), "eth_uninstallFilter", `[%s]`, polled.Result)
		f.wants(json.RawMessage(`false`), "eth_uninstallFilter", `[%s]`, polled.Result)
		f.wants(json.RawMessage(`false`), "eth_uninstallFilter", `[%s]`, idle.Result)
	})
}

// Filters keep to their criteria.
func TestFilterCriteria(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1090)
	f.commit(1100)
	var log *chain.Log // one with topics
	for _, b := range f.blocks(1101, 1110) {
		for i := range logsIn(b, false) {
			if l := logAt(b, i); len(l.Topics) > 1 {
				log = l
			}
		}
	}
	for _, tt := range []struct {
		criteria string
		matches  func(b *chain.Block, l *chain.Log) bool
	}{
		{fmt.Sprintf(`{"address":"%s"}`, log.Address), func(_ *chain.Block, l *chain.Log) bool { return l.Address == log.Address }},
		{fmt.Sprintf(`{"address":["%s","0x00000000000000000000000000000000000000ff"],"topics":["%s"]}`, log.Address, log.Topics[0]),
			func(_ *chain.Block, l *chain.Log) bool {
				return l.Address == log.Address && len(l.Topics) > 0 && l.Topics[0] == log.Topics[0]
			}},
		{`{"topics":[null,null]}`, func(_ *chain.Block, l *chain.Log) bool { return len(l.Topics) > 1 }},
		{fmt.Sprintf(`{"topics":[[null,"%s"]]}`, log.Topics[0]), func(_ *chain.Block, l *chain.Log) bool { return len(l.Topics) > 0 }},
		{`{"fromBlock":"0x451","toBlock":"0x452"}`, func(b *chain.Block, _ *chain.Log) bool { return b.Number == 1105 || b.Number == 1106 }},
		{`{"fromBlock":"latest"}`, func(*chain.Block, *chain.Log) bool { return true }},
	} {
		r := f.call("eth_newFilter", "["+tt.criteria+"]")
		var id rpc.ID
		if err := json.Unmarshal(r.Result, &id); err != nil {
			t.Fatal(tt.criteria, r.Error)
		}
		defer func() {
			var want []told
			for _, b := range f.blocks(1101, 1110) {
				for _, l := range logsIn(b, false) {
					if tt.matches(b, logAt(b, l.Index)) {
						want = append(want, l)
					}
				}
			}
			var raws []json.RawMessage
			r := f.call("eth_getFilterChanges", fmt.Sprintf(`[%q]`, id))
			if err := json.Unmarshal(r.Result, &raws); err != nil {
				t.Fatal(err, r.Error)
			}
			var got []told
			for _, raw := range raws {
				got = append(got, readLog(t, raw))
			}
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("%s (-want +got):\n%s", tt.criteria, diff)
			}
		}()
	}
	f.commit(1110)
	for _, bad := range []string{`{"fromBlock":"0x5"}`, `{"fromBlock":"0x460","toBlock":"0x450"}`, `{"toBlock":"pending"}`} {
		if r := f.call("eth_newFilter", "["+bad+"]"); r.Error == nil {
			t.Errorf("%s: a filter", bad)
		}
	}
}

func logAt(b *chain.Block, index int) *chain.Log {
	for i := range b.Transactions {
		logs := b.Transactions[i].Receipt.Logs
		if index < len(logs) {
			return &logs[index]
		}
		index -= len(logs)
	}
	return nil
}
