package api_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/api/pages"
	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/bytebudget"
	"gapless/internal/chain"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

const token = "the token"

var recording = testdata.Recording

// A fixture is a served file of the recorded chain.
type fixture struct {
	t        testing.TB
	store    *store.Store
	url      string
	server   *http.Server
	rest     *rest.Handler
	calls    *jsonrpc.Handler
	address  string // at which it says that it listens
	names    []string
	chain    *recorded.Chain
	notReady error
	reloads  int
}

func newFixture(t testing.TB) *fixture { return newFixtureAt(t, "127.0.0.1:8600") }

// newFixtureAt serves as if it listened elsewhere, and had more names.
func newFixtureAt(t testing.TB, listen string, names ...string) *fixture {
	t.Helper()
	return newFixtureWithin(t, nil, listen, names...)
}

// newFixtureWithin serves within a budget; nil: the usual one.
func newFixtureWithin(t testing.TB, b *bytebudget.Budget, listen string, names ...string) *fixture {
	t.Helper()
	c := recording()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "chain.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Identify(t.Context(), store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash}); err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: s, chain: c}
	h := &rest.Handler{
		Store:  s,
		Status: func(ctx context.Context) (rest.Status, error) { return rest.FromFile(ctx, s.Reader) },
		Ready:  func() error { return f.notReady },
		Reload: func(ctx context.Context) error {
			if ctx.Done() != nil {
				t.Error("the queue is not told of rows that have changed if the client leaves")
			}
			f.reloads++
			return nil
		},
		Token: token, SessionKey: "the key",
	}
	calls := jsonrpc.New(jsonrpc.Options{Reader: s.Reader, Client: "gapless/test", Changed: s.Changed, Budget: b})
	t.Cleanup(calls.Close)
	f.rest, f.calls, f.address, f.names = h, calls, listen, names
	f.serve(pages.New(h, pages.Labels{}, pages.NewSignatures(), nil))
	return f
}

// serve begins to serve these pages.
func (f *fixture) serve(p *pages.Handler) {
	f.serveRoutes(api.Routes{REST: f.rest, Calls: f.calls, Pages: p, Metrics: prometheus.NewRegistry()})
}

func (f *fixture) serveRoutes(r api.Routes) {
	f.server = api.NewServer(r, f.address, f.names...)
	server := httptest.NewUnstartedServer(nil)
	server.Config = f.server
	server.Start()
	f.t.Cleanup(server.Close)
	f.url = server.URL
}

// commit adds the next blocks; those in missing are.
func (f *fixture) commit(last uint64, missing ...uint64) {
	f.t.Helper()
	next, err := f.store.Next(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var anchors []store.Anchor
	var entries []store.Entry
	for number := next; number <= last; number++ {
		if len(missing) > 0 && missing[0] == number {
			missing = missing[1:]
			failure := chain.Failed(number, errors.New("lost"), 3, time.Unix(1e9, 0))
			failure.NextAt = time.Unix(2e9, 0)
			entries = append(entries, store.Entry{Failure: failure})
			continue
		}
		e := f.entry(number)
		anchors = append(anchors, store.Anchor{Number: number, Hash: e.Block.Hash})
		entries = append(entries, e)
	}
	if err := f.store.Commit(f.t.Context(), entries, anchors...); err != nil {
		f.t.Fatal(err)
	}
}

// entry is a block of the recording.
func (f *fixture) entry(number uint64) store.Entry {
	f.t.Helper()
	raw := f.chain.Block(number)
	b, err := chain.DecodeBlock(raw.Block)
	if err == nil {
		err = errors.Join(b.DecodeReceipts(raw.Receipts), b.DecodeUncles(raw.Uncles))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	chain.Verify(b, chain.AllChecks)
	return store.Entry{Block: b}
}

// do makes a request; headers are name, value, ….
func (f *fixture) do(method, path, body string, headers ...string) *http.Response {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// read decodes an answer.
func read[T any](t testing.TB, answer *http.Response) (v T) {
	t.Helper()
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReadiness(t *testing.T) {
	f := newFixture(t)
	if answer := f.do("GET", "/readyz", ""); answer.StatusCode != 200 {
		t.Errorf("%s", answer.Status)
	}
	f.notReady = errors.New("no node answers")
	answer := f.do("GET", "/readyz", "")
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 503 || string(body) != `{"ready":false,"reason":"no node answers"}`+"\n" {
		t.Errorf("%s %s", answer.Status, body)
	}
	if answer := f.do("GET", "/healthz", ""); answer.StatusCode != 200 {
		t.Errorf("/healthz: %s", answer.Status)
	}
}

// Everything that is refused says why, in the form of RFC 9457.
func TestProblems(t *testing.T) {
	f := newFixture(t)
	f.commit(20, 10)
	auth := []string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		headers      []string
		status       int
		detail       string
	}{
		{"nothing there", "GET", "/nowhere", "", nil, 404, "nothing at /nowhere"},
		{"wrong method", "DELETE", "/api/v1/status", "", nil, 405, "takes GET"},
		{"post to what is read", "POST", "/api/v1/status", "", nil, 405, "takes GET"},
		{"get of what is posted", "GET", "/api/v1/retry", "", nil, 405, "takes POST"},
		{"bad number", "GET", "/api/v1/failed?from=x", "", nil, 400, "from must be a number"},
		{"bad limit", "GET", "/api/v1/failed?limit=0", "", nil, 400, "limit must be a number from 1 to 1000"},
		{"no such parameter", "GET", "/api/v1/logs?adress=0x00", "", nil, 400, `no parameter "adress"; there are from, to, order`},
		{"bad query", "GET", "/api/v1/logs?%zz", "", nil, 400, "query"},
		{"bad order", "GET", "/api/v1/blocks?order=up", "", nil, 400, "order must be one of desc, asc"},
		{"bad address", "GET", "/api/v1/logs?address=0x12", "", nil, 400, "address must be 0x and 40 hex digits"},
		{"bad hash", "GET", "/api/v1/logs?topic0=0xzz", "", nil, 400, "topic0 must be 0x and 64 hex digits"},
		{"bad cursor", "GET", "/api/v1/logs?cursor=1-x", "", nil, 400, "cursor must be the next of an earlier page"},
		{"range upside down", "GET", "/api/v1/blocks?from=5&to=3", "", nil, 400, "no blocks from 5 to 3"},
		{"coverage of nothing", "GET", "/api/v1/coverage?from=50&to=30", "", nil, 400, "no blocks from 50 to 30"},
		{"bad address in the path", "GET", "/api/v1/addresses/0x12", "", nil, 400, "40 hex digits"},
		{"no token", "GET", "/api/v1/tokens/0x1200000000000000000000000000000000000012", "", nil, 404, "no transfer of a token"},
		{"bad block", "GET", "/api/v1/blocks/0x12", "", nil, 400, `"0x12" is no block`},
		{"number too high for a block", "GET", "/api/v1/blocks/18446744073709551616", "", nil, 400, "is no block"},
		{"block past the head", "GET", "/api/v1/blocks/21", "", nil, 404, "the file has blocks 0 to 20"},
		{"missing block", "GET", "/api/v1/blocks/10", "", nil, 404, "block 10 is missing"},
		{"unknown block", "GET", "/api/v1/blocks/0x" + strings.Repeat("12", 32), "", nil, 404, "it may be in the block that is missing"},
		{"bad transaction", "GET", "/api/v1/transactions/0x12", "", nil, 400, "the hash must be 0x and 64 hex digits"},
		{"unknown transaction", "GET", "/api/v1/transactions/0x" + strings.Repeat("12", 32), "", nil, 404, "no stored transaction has the hash"},
		{"parameter of what takes none", "GET", "/api/v1/blocks/5?full=true", "", nil, 400, `no parameter "full": this takes none`},
		{"given twice", "GET", "/api/v1/logs?limit=1&limit=2", "", nil, 400, "limit is given 2 times"},
		{"too many rows", "GET", "/api/v1/logs?limit=1001", "", nil, 400, "limit must be a number from 1 to 1000"},
		{"bad kind", "GET", "/api/v1/journal?kind=x", "", nil, 400, "kind must be one of"},
		{"no token", "POST", "/api/v1/retry", "{}", []string{"Content-Type", "application/json"}, 403, "needs the token"},
		{"wrong token", "POST", "/api/v1/skip", "{}", []string{"Authorization", "Bearer no"}, 403, "needs the token"},
		{"other scheme", "POST", "/api/v1/skip", "{}", []string{"Authorization", token}, 403, "needs the token"},
		{"another host", "POST", "/api/v1/retry", "{}", append([]string{"Host", "evil.example:8600"}, auth...), 421, "evil.example"},
		{"not JSON", "POST", "/api/v1/retry", "{}", auth[:2], 415, "application/json"},
		{"bad JSON", "POST", "/api/v1/retry", "{", auth, 400, "body"},
		{"unknown key", "POST", "/api/v1/retry", `{"frist":1}`, auth, 400, "frist"},
		{"no range", "POST", "/api/v1/retry", `{"first":5,"last":3}`, auth, 400, "from 5 to 3"},
		{"half a range", "POST", "/api/v1/retry", `{"last":3}`, auth, 400, "without first"},
		{"long body", "POST", "/api/v1/skip", `{"reason":"` + strings.Repeat("x", 70_000) + `"}`, auth, 413, "65536 bytes"},
		{"complete without the token", "POST", "/api/v1/complete", `{}`, nil, 403, "needs the token"},
		{"too many to complete", "POST", "/api/v1/complete", `{"blocks":[` + strings.Repeat("1,", 64) + `1]}`, auth, 400, "64 numbers"},
		{"no block", "POST", "/api/v1/skip", `{"reason":"x"}`, auth, 400, "block"},
		{"no reason", "POST", "/api/v1/skip", `{"block":10,"reason":" "}`, auth, 400, "reason"},
		{"not missing", "POST", "/api/v1/skip", `{"block":11,"reason":"x"}`, auth, 404, "block 11 is not missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := f.do(tt.method, tt.path, tt.body, tt.headers...)
			p := read[problem.Details](t, answer)
			if answer.StatusCode != tt.status || p.Status != tt.status || !strings.Contains(p.Detail, tt.detail) || p.Title == "" {
				t.Errorf("%s %+v", answer.Status, p)
			}
			if kind := answer.Header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("of type %s", kind)
			}
		})
	}
	if f.reloads > 0 {
		t.Error("something was changed")
	}
}

// With the token, retries and skips change the rows and are told to the queue.
func TestChanges(t *testing.T) {
	f := newFixture(t)
	f.commit(50, 10, 20, 30)
	auth := []string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}
	if answer := f.do("POST", "/api/v1/skip", `{"block":20,"reason":"lost for ever"}`, auth...); answer.StatusCode != 200 {
		t.Fatal(answer.Status)
	}
	row, err := f.store.Failed(t.Context(), 20)
	if err != nil || row.SkipReason != "lost for ever" {
		t.Errorf("%+v, %v", row, err)
	}
	for body, due := range map[string]int64{`{"first":10}`: 1, `{"first":11,"last":40}`: 2, `{}`: 3, `{"first":40,"last":90}`: 0} {
		answer := read[rest.RetryAnswer](t, f.do("POST", "/api/v1/retry", body, auth...))
		if answer.Due != due {
			t.Errorf("%s: %d due instead of %d", body, answer.Due, due)
		}
	}
	if row, err := f.store.Failed(t.Context(), 20); err != nil || row.Skipped() {
		t.Errorf("%+v, %v", row, err)
	}
	if f.reloads != 5 {
		t.Errorf("the queue was told %d times", f.reloads)
	}
}

// Pages of this machine may read, others not.
func TestOrigins(t *testing.T) {
	f := newFixture(t)
	for origin, allowed := range map[string]bool{
		"http://localhost:3000": true, "http://127.0.0.1": true, "http://[::1]:3000": true, "http://app.localhost": true,
		"https://evil.example": false, "null": false, "": false, "http://localhost.evil.example": false,
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			answer := f.do(method, "/api/v1/status", "", "Origin", origin)
			want := ""
			if allowed {
				want = origin
			}
			if got := answer.Header.Get("Access-Control-Allow-Origin"); got != want || answer.Header.Get("Vary") != "Origin" {
				t.Errorf("%s from %q: allows %q", method, origin, got)
			}
		}
	}
	if answer := f.do("POST", "/api/v1/retry", "{}", "Origin", "http://localhost:3000"); answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page may post")
	}
}

// An event is one that a client got.
type event struct{ id, kind, data string }

// listen opens a stream and gives a function that waits for the next event.
func (f *fixture) listen(last string) func() event {
	f.t.Helper()
	var headers []string
	if last != "" {
		headers = []string{"Last-Event-ID", last}
	}
	answer := f.do("GET", "/api/v1/events", "", headers...)
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != 200 || kind != "text/event-stream" {
		f.t.Fatalf("%s %s", answer.Status, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	return func() (e event) {
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if e.kind != "" {
					return e
				}
			}
		}
		return event{kind: "end"}
	}
}

func (f *fixture) id(seq int) string {
	f.t.Helper()
	id, err := f.store.Identity(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("%x-%d", id.Epoch, seq)
}

func (f *fixture) expect(next func() event, id, kind, data string) {
	f.t.Helper()
	if e := next(); e.id != id || e.kind != kind || !strings.Contains(e.data, data) {
		f.t.Errorf("got %+v instead of %s %s …%s…", e, id, kind, data)
	}
}

// A stream tells what is committed, from now on or from where the client was.
func TestEvents(t *testing.T) {
	f := newFixture(t)
	f.commit(10)
	next := f.listen("")
	f.commit(20, 15)
	f.expect(next, f.id(2), "blocks", `"first_block":11,"last_block":14}`)
	f.expect(next, f.id(3), "failed", `"first_block":15,"last_block":15,"detail":{"class":"block_error","message":"lost"}`)
	f.expect(next, f.id(4), "blocks", `"first_block":16,"last_block":20}`)
	f.commit(21)
	f.expect(next, f.id(5), "blocks", `"first_block":21,"last_block":21}`)

	again := f.listen(f.id(3))
	f.expect(again, f.id(4), "blocks", `"first_block":16,"last_block":20}`)
	f.expect(again, f.id(5), "blocks", `"first_block":21`)
	f.commit(22)
	f.expect(again, f.id(6), "blocks", `"first_block":22`)
	f.expect(next, f.id(6), "blocks", `"first_block":22`)
}

// An id that can't be gone on from is answered by a reset, and the stream goes
// on from now.
func TestEventsReset(t *testing.T) {
	f := newFixture(t)
	f.commit(10)
	for last, why := range map[string]string{
		"0011223344556677-1": "of another file",
		f.id(7):              "of a later state",
		"nonsense":           "not one of gapless",
		f.id(1)[:16] + "--5": "not one of gapless",
	} {
		f.expect(f.listen(last), f.id(1), "reset", why)
	}
	next := f.listen("0011223344556677-1")
	f.expect(next, f.id(1), "reset", "another file")
	f.commit(11)
	f.expect(next, f.id(2), "blocks", `"first_block":11`)
}

// A client whose next events were merged is told of all that is in them.
func TestEventsMerged(t *testing.T) {
	f := newFixture(t)
	f.commit(10)
	f.commit(11)
	f.commit(12)
	db, err := sql.Open("sqlite", f.store.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{`DELETE FROM journal WHERE seq = 2`, `UPDATE journal SET first_block = 11 WHERE seq = 3`} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	f.expect(f.listen(f.id(1)), f.id(3), "blocks", `"first_block":11,"last_block":12}`)
	f.expect(f.listen(f.id(2)), f.id(3), "blocks", `"first_block":11,"last_block":12}`)
}

// When the file is rotated, those who listen hear of it and go on with the new
// one, however far its journal is; so do those who come later with an old id.
func TestEventsRotated(t *testing.T) {
	f := newFixture(t)
	for n := range uint64(5) {
		f.commit(n)
	}
	old, next := f.id(5), f.listen("")
	before, err := f.store.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Identify(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	f.commit(3)
	f.expect(next, f.id(1), "reset", `"detail":{"file":"chain-`)
	f.expect(next, f.id(2), "blocks", `"first_block":0,"last_block":3}`)
	f.expect(f.listen(old), f.id(2), "reset", "of another file")
}

// Streams end with the server, and do not hold it up.
func TestEventsShutdown(t *testing.T) {
	f := newFixture(t)
	f.commit(1)
	next := f.listen("")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if e := next(); e.kind != "end" {
		t.Errorf("got %+v", e)
	}
}

// A file that has no chain yet has no events.
func TestEventsBeforeChain(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "new.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := &rest.Handler{Store: s}
	server := api.NewServer(api.Routes{REST: h, Pages: pages.New(h, nil, pages.NewSignatures(), nil), Metrics: prometheus.NewRegistry()}, "")
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/events", nil))
	if w.Code != 503 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Pages of this machine may call and listen, others not; and a name that was
// made to point here is not ours.
func TestWhoMayCall(t *testing.T) {
	f := newFixture(t)
	f.commit(5)
	const body = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`
	for _, tt := range []struct {
		origin, host string
		status       int
		socket       int
	}{
		{"", "127.0.0.1:8600", 200, 101},
		{"http://localhost:3000", "localhost:8600", 200, 101},
		{"http://127.0.0.1:3000", "127.0.0.1:8600", 200, 101},
		{"https://evil.example", "127.0.0.1:8600", 403, 403},
		{"null", "127.0.0.1:8600", 403, 403},
		{"", "evil.example", 421, 421},
		{"http://evil.example", "evil.example", 421, 421},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", f.url+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if status, header := f.from(r, tt.origin, tt.host); status != tt.status {
			t.Errorf("call from %q to %q: HTTP %d, want %d", tt.origin, tt.host, status, tt.status)
		} else if want := tt.origin; status == 200 && header.Get("Access-Control-Allow-Origin") != want {
			t.Errorf("call from %q: allowed is %q", tt.origin, header.Get("Access-Control-Allow-Origin"))
		}
		if r, err = http.NewRequestWithContext(t.Context(), "GET", f.url+"/", nil); err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			r.Header.Set(key, value)
		}
		if status, _ := f.from(r, tt.origin, tt.host); status != tt.socket {
			t.Errorf("WebSocket from %q to %q: HTTP %d, want %d", tt.origin, tt.host, status, tt.socket)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "OPTIONS", f.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, header := f.from(r, "http://localhost:3000", "localhost"); header.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST" {
		t.Errorf("preflight: %v", header)
	}
}

// from sends a request as from a page, to a name.
func (f *fixture) from(r *http.Request, origin, host string) (int, http.Header) {
	f.t.Helper()
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode, answer.Header
}
