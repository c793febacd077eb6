package api_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
	"gapless/internal/store"
)

const fewBytes = 64 << 20

// newFixtureOfLogs has a block with a transaction of 1000 logs, which make 8 MB of
// JSON, and an input, which makes 4 MB, and is served within a small budget.
func newFixtureOfLogs(t *testing.T) (f *fixture, b *bytebudget.Budget, transaction string) {
	t.Helper()
	b = bytebudget.New(fewBytes)
	f = newFixtureWithin(t, b, "127.0.0.1:8600")
	number := uint64(1)
	for len(f.entry(number).Block.Transactions) == 0 {
		number++
	}
	f.commit(number - 1)
	e := f.entry(number)
	tx := &e.Block.Transactions[0]
	tx.Input = bytes.Repeat([]byte{0xab}, 2<<20)
	tx.Receipt.Logs = slices.Repeat([]chain.Log{{Data: make([]byte, 4<<10)}}, 1000)
	if err := f.store.Commit(t.Context(), []store.Entry{e}); err != nil {
		t.Fatal(err)
	}
	return f, b, tx.Hash.Hex()
}

// neverRead asks over connections of their own, and reads nothing.
func (f *fixture) neverRead(clients int, path string, headers ...string) {
	f.t.Helper()
	for range clients {
		c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { c.Close() })
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, strings.Join(headers, "")); err != nil {
			f.t.Fatal(err)
		}
	}
}

// bounded makes sure that all answers under way hold no more than they may, and
// that little is answered meanwhile. before is how much memory there was.
func (f *fixture) bounded(b *bytebudget.Budget, before int64) {
	f.t.Helper()
	var held, most int64
	for range 8 {
		for _, path := range []string{"/api/v1/blocks?limit=5", "/blocks", "/readyz"} {
			if r := f.do("GET", path, ""); r.StatusCode != http.StatusOK {
				f.t.Fatal(path, r.Status)
			}
		}
		held, most = max(held, b.Held()), max(most, heap()-before)
		time.Sleep(50 * time.Millisecond)
	}
	f.t.Logf("up to %d kB are held, and %d MB of memory", held>>10, most>>20)
	if held == 0 || held > fewBytes {
		f.t.Errorf("%d bytes are held", held)
	}
	if most > 4*fewBytes {
		f.t.Errorf("%d MB of memory are taken", most>>20)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Lists and pages that nobody reads hold no more than all answers may.
func TestUnreadPages(t *testing.T) {
	for name, path := range map[string]string{
		"list":        "/api/v1/logs?limit=1000",
		"transaction": "/api/v1/transactions/%s",
		"input":       "/tx/%s/input",
	} {
		t.Run(name, func(t *testing.T) {
			f, b, transaction := newFixtureOfLogs(t)
			before := heap()
			f.neverRead(60, strings.Replace(path, "%s", transaction, 1))
			f.bounded(b, before)
		})
	}
}

// Nothing of the file is held while a client reads: it can be put aside.
func TestUnreadPageHoldsNoSnapshot(t *testing.T) {
	f, b, _ := newFixtureOfLogs(t)
	f.neverRead(1, "/api/v1/logs?limit=1000")
	for tries := 0; b.Held() < 8<<20; tries++ {
		if tries > 3000 {
			t.Fatal("it holds nothing")
		}
		time.Sleep(10 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.store.DrainWAL(ctx, 0); err != nil {
		t.Error(err)
	}
}

// Streams of events that nobody reads hold no more than all answers may, wherever
// they resume. Who reads has all meanwhile.
func TestUnreadEvents(t *testing.T) {
	f, b, _ := newFixtureOfLogs(t)
	const events = 3000
	next, err := f.store.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	for i := range uint64(events) {
		failure := chain.Failed(next+i, fmt.Errorf("%s", strings.Repeat("x", 400)), 1, time.Now())
		failure.NextAt = time.Now().Add(time.Hour)
		entries = append(entries, store.Entry{Failure: failure})
	}
	if err := f.store.Commit(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	before := heap()
	for from := range 10 {
		f.neverRead(10, "/api/v1/events", "Last-Event-ID: "+f.id(from*200)+"\r\n")
	}
	f.bounded(b, before)
	r := f.do("GET", "/api/v1/events", "", "Last-Event-ID", f.id(1))
	lines, got := bufio.NewScanner(r.Body), 0
	for got < events && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "id: ") {
			got++
		}
	}
	if got < events {
		t.Errorf("%d events came: %v", got, lines.Err())
	}
}

// A large answer is whole, after others have waited.
func TestLargePage(t *testing.T) {
	f, _, transaction := newFixtureOfLogs(t)
	body, err := io.ReadAll(f.do("GET", "/tx/"+transaction+"/input", "").Body)
	if err != nil || string(body) != "0x"+strings.Repeat("ab", 2<<20) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
