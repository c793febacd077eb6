package jsonrpc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/bytebudget"
)

const fewBytes = 64 << 20

// budgeted has the file of largeFixture, and a small budget.
func budgeted(t *testing.T) (*fixture, *bytebudget.Budget) {
	t.Helper()
	b := bytebudget.New(fewBytes)
	return largeFixture(t, func(o *jsonrpc.Options) { o.Budget = b }), b
}

// neverRead asks over connections of their own, and reads nothing.
func (f *fixture) neverRead(clients int, body string) {
	f.t.Helper()
	for range clients {
		c, err := net.Dial("tcp", f.server.Listener.Addr().String())
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { c.Close() })
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			f.t.Fatal(err)
		}
	}
}

// bounded makes sure that all answers under way hold no more than they may, and
// that little is answered meanwhile.
func (f *fixture) bounded(b *bytebudget.Budget) {
	f.t.Helper()
	before := heap()
	held, most := int64(0), int64(0)
	for range 8 {
		var number string
		c := f.dial()
		ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
		if err := c.CallContext(ctx, &number, "eth_blockNumber"); err != nil {
			f.t.Fatal(err)
		}
		cancel()
		c.Close()
		if r := f.open(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`); r.StatusCode != http.StatusOK {
			f.t.Fatal(r.Status)
		}
		held = max(held, b.Held())
		most = max(most, int64(heap()-before))
		time.Sleep(50 * time.Millisecond)
	}
	f.t.Logf("up to %d MB are held, and %d MB of memory", held>>20, most>>20)
	if held == 0 || held > fewBytes {
		f.t.Errorf("%d bytes are held", held)
	}
	if most > 4*fewBytes {
		f.t.Errorf("%d MB of memory are taken", most>>20)
	}
}

// Batches that nobody reads hold one answer each, within the budget.
func TestUnreadBatches(t *testing.T) {
	f, b := budgeted(t)
	number := f.largeBlock()
	call := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockReceipts","params":["%#x"]}`, number)
	f.neverRead(20, "["+strings.Repeat(call+",", 9)+call+"]")
	f.bounded(b)
}

// Logs that nobody reads hold a part each.
func TestUnreadLogs(t *testing.T) {
	f, b := budgeted(t)
	f.neverRead(100, allLogs)
	f.bounded(b)
}

// Messages that nobody reads the answers to hold no more than the share of their
// connection.
func TestUnreadMessages(t *testing.T) {
	f, b := budgeted(t)
	number := f.largeBlock()
	for range 3 {
		c := f.socket()
		for i := range 35 {
			f.write(c, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_getBlockReceipts","params":["%#x"]}`, i, number))
		}
	}
	f.bounded(b)
}

// largeBlock is the number of a block with a large answer.
func (f *fixture) largeBlock() uint64 {
	f.t.Helper()
	for number := uint64(1100); number <= 1110; number++ {
		b, err := f.store.Block(f.t.Context(), number)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(b.Transactions) > 0 {
			return number
		}
	}
	f.t.Fatal("there is none")
	return 0
}

// socket opens a WebSocket that reads nothing by itself.
func (f *fixture) socket() *websocket.Conn {
	f.t.Helper()
	c, _, err := websocket.Dial(f.t.Context(), "ws"+f.server.URL[len("http"):], nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return c
}

func (f *fixture) write(c *websocket.Conn, message string) {
	f.t.Helper()
	if err := c.Write(f.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		f.t.Fatal(err)
	}
}

// Subscribers that do not read are hung up on with a code that says to come
// again, and have what they missed of eth_getLogs. Others hear as ever, and what
// waits is held once for all.
func TestSlowSubscribers(t *testing.T) {
	f, _ := budgeted(t)
	var slow []*websocket.Conn
	for range 20 {
		c := f.socket()
		f.write(c, `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}`)
		if _, _, err := c.Read(t.Context()); err != nil { // that it is subscribed
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	before := heap()
	heads := subscribe(t, f.dial(), "newHeads")
	logs := f.commitLarge(3)
	for range 3 {
		await(t, heads)
	}
	if most := int64(heap() - before); most > 150<<20 {
		t.Errorf("%d MB wait for those who do not read", most>>20)
	}
	var reading sync.WaitGroup // all at once: who does not begin within 30 s hears of no code
	for _, c := range slow {
		reading.Go(func() {
			if heard := readToEnd(t, c); heard == 0 || heard >= logs {
				t.Errorf("it heard of %d logs of %d", heard, logs)
			}
		})
	}
	reading.Wait()
	var got struct{ Result []json.RawMessage }
	body, err := io.ReadAll(f.open(strings.Replace(allLogs, "earliest", "0x457", 1)).Body)
	if err != nil || json.Unmarshal(body, &got) != nil || len(got.Result) < logs {
		t.Errorf("%v, %d logs of %d", err, len(got.Result), logs)
	}
}

// readToEnd reads what there is until the server hangs up, with the code for those
// who are slow.
func readToEnd(t *testing.T, c *websocket.Conn) (messages int) {
	for {
		_, _, err := c.Read(t.Context())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
				t.Error(err)
			}
			return messages
		}
		messages++
	}
}

// However many subscriptions a client has, and reads nothing of, they hold no more
// than the share of its connection. Others hear as ever.
func TestManySubscriptions(t *testing.T) {
	f, b := budgeted(t)
	c := f.socket()
	const subscriptions = 600
	for range subscriptions {
		f.write(c, `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}`)
		if _, _, err := c.Read(t.Context()); err != nil { // that it is subscribed
			t.Fatal(err)
		}
	}
	before := heap()
	heads := subscribe(t, f.dial(), "newHeads")
	f.commitLarge(1)
	await(t, heads)
	most := int64(0)
	for range 20 { // each has had its turn by then
		time.Sleep(200 * time.Millisecond)
		most = max(most, int64(heap()-before))
		if held := b.Held(); held > b.Share() {
			t.Errorf("%d bytes are held", held)
		}
	}
	if most > fewBytes*3/2 {
		t.Errorf("%d MB of memory are taken", most>>20)
	}
}

// What a client subscribes to is bounded; others may subscribe.
func TestTooManySubscriptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, recording(), 1100)
	var hashes []string
	for i := range 1000 {
		hashes = append(hashes, fmt.Sprintf(`"0x%064x"`, i))
	}
	topics := `[[` + strings.Repeat(strings.Join(hashes, ",")+"],[", 3) + strings.Join(hashes, ",") + `]]`
	large := `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{"topics":` + topics + `}]}`
	c := f.socket()
	for subscriptions := 0; ; subscriptions++ {
		f.write(c, large)
		_, message, err := c.Read(t.Context())
		if err != nil || subscriptions > 100 {
			t.Fatal(subscriptions, err)
		}
		if strings.Contains(string(message), "too many subscriptions") {
			break
		}
	}
	subscribe(t, f.dial(), "newHeads")
}

// A batch is answered in order, each call as by itself, and ends with errors once
// it is too large.
func TestBatchInParts(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	number := f.largeBlock()
	large := fmt.Sprintf(`{"jsonrpc":"2.0","id":"x","method":"eth_getBlockReceipts","params":["%#x"]}`, number)
	body := `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","method":"eth_chainId"},7,[],null,` +
		`{"jsonrpc":"2.0","id":2,"method":"no_such"},` + large + `,` + large + `,{"jsonrpc":"2.0","id":3,"method":"eth_chainId"}]`
	type answer struct {
		ID     any
		Result json.RawMessage
		Error  *struct{ Code int }
	}
	over := func(name string, raw []byte) {
		var got []answer
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%s: %v, %.200s", name, err, raw)
		}
		var said []string
		for _, a := range got {
			code := 0
			if a.Error != nil {
				code = a.Error.Code
			}
			said = append(said, fmt.Sprint(a.ID, " ", code, " ", len(a.Result) > 1000))
		}
		want := "1 0 false, <nil> -32600 false, <nil> -32600 false, <nil> -32600 false, 2 -32601 false, x 0 true, x 0 true, 3 -32003 false"
		if got := strings.Join(said, ", "); got != want {
			t.Errorf("%s:\n%s instead of\n%s", name, got, want)
		}
	}
	over("HTTP", f.post([]byte(body)))
	c := f.socket()
	f.write(c, body)
	_, message, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	over("WebSocket", message)
}

// Requests that are no JSON-RPC are answered as such, and do no harm.
func TestRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	f := largeFixture(t)
	c := f.socket()
	for _, body := range []string{`{`, `[`, `[]`, `7`, `"x"`, `null`, `{}`, `[` + strings.Repeat(`{},`, 1000) + `{}]`} {
		f.write(c, body)
		_, message, err := c.Read(t.Context())
		if err != nil || !strings.Contains(string(message), `"error"`) {
			t.Fatalf("%.20s: %.100s, %v", body, message, err)
		}
		if got := f.post([]byte(body)); !strings.Contains(string(got), `"error"`) {
			t.Errorf("%.20s: %.100s", body, got)
		}
	}
	large, err := http.Post(f.server.URL, "application/json", bufio.NewReader(io.LimitReader(zeros{}, 6<<20)))
	if err != nil || large.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %+v", err, large)
	}
}

// Zeros are spaces without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
