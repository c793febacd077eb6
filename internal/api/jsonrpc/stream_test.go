package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"net/http/httptest"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
	"gapless/internal/store/busychain"
)

// largeFixture has blocks 1100 to 1110, of which the first two with transactions
// have logs of 15 MB as JSON each.
func largeFixture(t *testing.T, more ...func(*jsonrpc.Options)) *fixture {
	t.Helper()
	f := newFixture(t, recording(), 1100, more...)
	f.commitLarge(2)
	f.commit(1110)
	return f
}

// commitLarge commits blocks until some of them have transactions, and logs of 15
// MB as JSON each. It gives how many logs those are.
func (f *fixture) commitLarge(blocks int) (logs int) {
	f.t.Helper()
	log := map[string]any{"address": "0x70000000000000000000000000000000000000ff", "topics": []any{}, "data": "0x" + strings.Repeat("ab", 100_000)}
	number, err := f.store.Next(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for large := 0; large < blocks; number++ {
		raw := *f.chain.Block(number)
		var receipts []map[string]any
		if err := json.Unmarshal(raw.Receipts, &receipts); err != nil {
			f.t.Fatal(err)
		}
		if len(receipts) > 0 {
			receipts[0]["logs"], large, logs = slices.Repeat([]any{log}, 75), large+1, logs+75
		}
		raw.Receipts = marshal(f.t, receipts)
		if err := f.store.Commit(f.t.Context(), []store.Entry{{Block: decode(f.t, &raw)}}); err != nil {
			f.t.Fatal(err)
		}
	}
	return logs
}

const allLogs = `{"jsonrpc":"2.0","id":"a\n","method":"eth_getLogs","params":[{"fromBlock":"earliest","toBlock":"latest"}]}`

// open asks over the network, and gives the answer to be read.
func (f *fixture) open(body string) *http.Response {
	f.t.Helper()
	r, err := http.Post(f.server.URL, "application/json", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { r.Body.Close() })
	return r
}

// An answer that is sent in parts is that of the same question in pieces.
func TestStreamedLogs(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	r := f.open(allLogs)
	body, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength >= 0 || len(body) < 30_000_000 {
		t.Fatalf("%v, %d bytes, of which %d were announced", err, len(body), r.ContentLength)
	}
	var got struct {
		ID     string
		Result []json.RawMessage
	}
	if err := json.Unmarshal(body, &got); err != nil || got.ID != "a\n" {
		t.Fatal(got.ID, err)
	}
	next := 0
	for number := uint64(1100); number <= 1110; number++ {
		b, err := f.store.Block(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range logsOf(t, b.AppendReceipts(nil)) {
			if next >= len(got.Result) || !bytes.Equal(want, got.Result[next]) {
				t.Fatalf("log %d of %d, of block %d, is another", next, len(got.Result), number)
			}
			next++
		}
	}
	if next != len(got.Result) {
		t.Errorf("%d logs instead of %d", len(got.Result), next)
	}
}

// What happens to the file after an answer has begun cuts it: it is no JSON then.
// The connection of a client that begins again is another.
func TestStreamIsCut(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(f *fixture) error{
		"reorg": func(f *fixture) error {
			f.rewind(1108, fork(f.t, f.chain, 1109, 1111, "0xbb"))
			return nil
		},
		"prune": func(f *fixture) error {
			_, err := f.store.Prune(f.t.Context(), 1106)
			return err
		},
		"end": func(f *fixture) error {
			f.handler.Close()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := largeFixture(t)
			r := f.open(allLogs)
			if _, err := io.ReadFull(r.Body, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := happens(f); err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, r.Body); err == nil {
				t.Errorf("all of it came, %d bytes", n)
			}
		})
	}
}

// What is missing is said before the first byte, however large the answer.
func TestStreamIsRefused(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	f.commit(1112, 1112)
	var r response
	body, err := io.ReadAll(f.open(strings.Replace(allLogs, "latest", "0x458", 1)).Body)
	if err != nil || json.Unmarshal(body, &r) != nil || r.Error == nil || r.Error.Data == nil {
		t.Fatalf("%v, %.200s", err, body)
	}
}

// In a batch and over a WebSocket an answer is whole, and has a bound.
func TestLogsThatAreNotStreamed(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	var several []response
	if err := json.Unmarshal(f.post([]byte("["+allLogs+"]")), &several); err != nil || len(several) != 1 || several[0].Error == nil || several[0].Error.Code != -32005 {
		t.Errorf("%v, %+v", err, several)
	}
	var result json.RawMessage
	if err := f.dial().CallContext(t.Context(), &result, "eth_getLogs", map[string]string{"fromBlock": "earliest"}); err == nil {
		t.Error("no error over a WebSocket")
	}
}

// Clients that do not read what they asked for are in nobody's way.
func TestStreamsThatAreNotRead(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	for range 8 {
		if _, err := io.ReadFull(f.open(allLogs).Body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if r := f.call("eth_getLogs", `[{"fromBlock":"0x453","toBlock":"0x456"}]`); r.Error != nil {
			t.Fatalf("%+v", *r.Error)
		}
	}
}

// Of an answer that is sent in parts little is held at a time.
func TestMemoryOfStreams(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "busy.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const blocks = 5001
	if err := busychain.New().Write(t.Context(), s, blocks); err != nil {
		t.Fatal(err)
	}
	h := jsonrpc.New(jsonrpc.Options{Reader: s.Reader, Client: "gapless/test", Changed: s.Changed})
	defer h.Close()
	f := &fixture{t: t, store: s, handler: h, server: httptest.NewServer(h)}
	defer f.server.Close()
	before := heap()
	body := f.open(allLogs).Body
	most, size := uint64(0), int64(0)
	for {
		n, err := io.CopyN(io.Discard, body, 1<<20)
		size += n
		most = max(most, heap())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	said := fmt.Sprintf("an answer of %d MB took up to %d MB of memory", size>>20, int64(most-before)>>20)
	if t.Log(said); size < 25<<20 || int64(most-before) > 12<<20 {
		t.Error(said)
	}
}

// heap is how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
