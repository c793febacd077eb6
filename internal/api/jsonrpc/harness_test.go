package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

const recordings = "../../../testdata/"

var recording = testdata.Recording

// A fixture is a file of a recorded chain with a handler that answers from it.
type fixture struct {
	t       testing.TB
	store   *store.Store
	chain   *recorded.Chain
	handler *jsonrpc.Handler
	server  *httptest.Server
}

// newFixture makes a file that begins with block start and has none yet.
func newFixture(t testing.TB, c *recorded.Chain, start uint64, more ...func(*jsonrpc.Options)) *fixture {
	t.Helper()
	f := openFixture(t, c, start, more...)
	f.server = httptest.NewServer(f.handler)
	t.Cleanup(f.server.Close) // before the handler
	return f
}

// newFixtureWithoutServer is for a bubble, which must not listen.
func newFixtureWithoutServer(t testing.TB) *fixture { return openFixture(t, recording(), 0) }

func openFixture(t testing.TB, c *recorded.Chain, start uint64, more ...func(*jsonrpc.Options)) *fixture {
	t.Helper()
	s, err := store.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	id := store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Client: c.Client, Start: start}
	if err := s.Identify(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	o := jsonrpc.Options{Reader: s.Reader, Client: "gapless/test", Changed: s.Changed}
	for _, change := range more {
		change(&o)
	}
	f := &fixture{t: t, store: s, chain: c, handler: jsonrpc.New(o)}
	t.Cleanup(func() {
		f.handler.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkFile(t, s.Path())
	})
	return f
}

// checkFile proves that the file keeps its promises.
func checkFile(t testing.TB, path string) {
	r, err := store.OpenReader(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := store.Checker{Fault: func(f store.Fault) { t.Errorf("fault: %s", f) }}
	if _, err := c.Check(context.Background(), r); err != nil {
		t.Error(err)
	}
}

// decode makes a block of a node's answers, verified.
func decode(t testing.TB, raw *recorded.Block) *chain.Block {
	t.Helper()
	b, err := chain.DecodeBlock(raw.Block)
	if err == nil {
		err = b.DecodeReceipts(raw.Receipts)
	}
	if err == nil {
		err = b.DecodeUncles(raw.Uncles)
	}
	if err != nil {
		t.Fatal(err)
	}
	chain.Verify(b, chain.AllChecks)
	return b
}

// commit adds the next blocks up to one; those in missing have failed.
func (f *fixture) commit(last uint64, missing ...uint64) {
	f.t.Helper()
	next, err := f.store.Next(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	var entries []store.Entry
	var anchors []store.Anchor
	for number := next; number <= last; number++ {
		raw := f.chain.Block(number)
		if len(missing) > 0 && missing[0] == number {
			missing = missing[1:]
			failure := chain.Failed(number, errors.New("lost"), 3, time.Unix(1e9, 0))
			failure.NextAt = time.Unix(2e9+int64(number), 0)
			entries = append(entries, store.Entry{Failure: failure})
			continue
		}
		entries = append(entries, store.Entry{Block: decode(f.t, raw)})
		anchors = append(anchors, store.Anchor{Number: number, Hash: raw.Hash})
	}
	if err := f.store.Commit(context.Background(), entries, anchors...); err != nil {
		f.t.Fatal(err)
	}
}

// fill stores a block that was missing.
func (f *fixture) fill(number uint64) {
	f.t.Helper()
	if _, err := f.store.Fill(context.Background(), decode(f.t, f.chain.Block(number)), f.store.Rewinds()); err != nil {
		f.t.Fatal(err)
	}
}

// fork gives blocks of the recording as another chain has them, linked to a
// parent. All their checks pass.
func fork(t testing.TB, c *recorded.Chain, first, last uint64, mark string) []*chain.Block {
	t.Helper()
	parent := c.Block(first - 1).Hash
	var blocks []*chain.Block
	for number := first; number <= last; number++ {
		b := decode(t, edit(t, c.Block(number), map[string]any{"extraData": mark, "parentHash": parent}))
		blocks, parent = append(blocks, b), b.Hash
	}
	return blocks
}

// edit changes keys of a block and gives it the hash that follows from them,
// also where its transactions and receipts name it.
func edit(t testing.TB, raw *recorded.Block, changes map[string]any) *recorded.Block {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal(raw.Block, &keys); err != nil {
		t.Fatal(err)
	}
	for key, value := range changes {
		keys[key] = value
	}
	changed, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	var header types.Header
	if err := json.Unmarshal(changed, &header); err != nil {
		t.Fatal(err)
	}
	hash := header.Hash()
	renamed := func(in []byte) []byte { return bytes.ReplaceAll(in, []byte(raw.Hash.Hex()), []byte(hash.Hex())) }
	return &recorded.Block{Number: raw.Number, Hash: hash, Parent: header.ParentHash,
		Block: renamed(changed), Receipts: renamed(raw.Receipts), Uncles: raw.Uncles}
}

// rewind replaces what is above an ancestor.
func (f *fixture) rewind(ancestor uint64, blocks []*chain.Block) {
	f.t.Helper()
	r := store.Reorg{Ancestor: ancestor}
	var entries []store.Entry
	for _, b := range blocks {
		r.New = append(r.New, b.Hash)
		entries = append(entries, store.Entry{Block: b})
	}
	if err := f.store.Rewind(context.Background(), r, entries); err != nil {
		f.t.Fatal(err)
	}
}

// A response is what answers a call.
type response struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// post sends a body, in this process.
func (f *fixture) post(body []byte) []byte {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Body.Bytes()
}

// call makes a call whose parameters are JSON, as `["0x1",true]`.
func (f *fixture) call(method, params string) response {
	f.t.Helper()
	var r response
	body := f.post(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params))
	if err := json.Unmarshal(body, &r); err != nil {
		f.t.Fatalf("%s%s: %v in %s", method, params, err, body)
	}
	return r
}

// wants makes a call and compares its result with JSON.
func (f *fixture) wants(want json.RawMessage, method, params string, args ...any) {
	f.t.Helper()
	params = fmt.Sprintf(params, args...)
	got := f.call(method, params)
	if got.Error != nil {
		f.t.Errorf("%s%s: %+v", method, params, *got.Error)
		return
	}
	sameJSON(f.t, method+params, want, got.Result)
}

func sameJSON(t testing.TB, what string, want, got json.RawMessage) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	var w, g any
	if err := errors.Join(json.Unmarshal(want, &w), json.Unmarshal(got, &g)); err != nil {
		t.Fatalf("%s: %v in %s or %s", what, err, want, got)
	}
	if !reflect.DeepEqual(w, g) {
		t.Errorf("%s (-want +got):\n%s", what, cmp.Diff(w, g))
	}
}

// fails makes a call and compares the code, and the data with JSON.
func (f *fixture) fails(code int, data, method, params string) {
	f.t.Helper()
	got := f.call(method, params)
	switch {
	case got.Error == nil:
		f.t.Errorf("%s%s: no error but %s", method, params, got.Result)
	case got.Error.Code != code:
		f.t.Errorf("%s%s: code %d (%s), want %d", method, params, got.Error.Code, got.Error.Message, code)
	case data != string(got.Error.Data):
		f.t.Errorf("%s%s: data %s, want %s", method, params, got.Error.Data, data)
	}
}

// dial opens a WebSocket.
func (f *fixture) dial() *rpc.Client {
	f.t.Helper()
	c, err := rpc.Dial("ws" + f.server.URL[len("http"):])
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

// logsOf are the logs in a node's receipts, as JSON.
func logsOf(t testing.TB, receipts json.RawMessage) []json.RawMessage {
	t.Helper()
	var all []struct {
		Logs []json.RawMessage `json:"logs"`
	}
	if err := json.Unmarshal(receipts, &all); err != nil {
		t.Fatal(err)
	}
	logs := []json.RawMessage{}
	for _, r := range all {
		logs = append(logs, r.Logs...)
	}
	return logs
}

func marshal(t testing.TB, v any) json.RawMessage {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hashesOf are the transactions in a node's block.
func hashesOf(t testing.TB, block json.RawMessage) (full []json.RawMessage, hashes []common.Hash) {
	t.Helper()
	var b struct {
		Transactions []json.RawMessage `json:"transactions"`
	}
	if err := json.Unmarshal(block, &b); err != nil {
		t.Fatal(err)
	}
	hashes = []common.Hash{}
	for _, raw := range b.Transactions {
		var tx struct{ Hash common.Hash }
		if err := json.Unmarshal(raw, &tx); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, tx.Hash)
	}
	return b.Transactions, hashes
}

func entryOf(b *chain.Block) []store.Entry { return []store.Entry{{Block: b}} }
