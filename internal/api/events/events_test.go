package events_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api"
	"gapless/internal/api/pages"
	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

// A served is a file that is served in memory, in virtual time.
type served struct {
	t     *testing.T
	store *store.Store
	conns chan net.Conn
	shut  sync.Once
	quit  chan struct{}
}

func serve(t *testing.T) *served {
	t.Helper()
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "chain.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Identify(t.Context(), store.Identity{ChainID: 1337, Genesis: devchain.Build(devchain.Spec{}).Blocks[0].Hash}); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, store: st, conns: make(chan net.Conn), quit: make(chan struct{})}
	h := &rest.Handler{Store: st}
	server := api.NewServer(api.Routes{REST: h, Pages: pages.New(h, nil, pages.NewSignatures(), nil), Metrics: prometheus.NewRegistry()}, "")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(s) // until it is closed
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Accept is part of [net.Listener].
func (s *served) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.quit:
		return nil, net.ErrClosed
	}
}

// Close is part of [net.Listener].
func (s *served) Close() error {
	s.shut.Do(func() { close(s.quit) })
	return nil
}

// Addr is part of [net.Listener].
func (s *served) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// fail commits that the next blocks are missing, with reasons of a length: each
// makes an event.
func (s *served) fail(blocks, length int) {
	s.t.Helper()
	next, err := s.store.Next(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var entries []store.Entry
	for i := range blocks {
		f := chain.Failed(next+uint64(i), fmt.Errorf("%s", strings.Repeat("x", length)), 1, time.Now())
		f.NextAt = time.Now()
		entries = append(entries, store.Entry{Failure: f})
	}
	if err := s.store.Commit(s.t.Context(), entries); err != nil {
		s.t.Fatal(err)
	}
}

// listen asks for the stream and gives the connection, with nothing read.
func (s *served) listen(last string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	client, server := net.Pipe() // holds nothing: a client that does not read stops the stream at once
	s.conns <- server
	s.t.Cleanup(func() { _ = client.Close() })
	fmt.Fprintf(client, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %s\r\n\r\n", last)
	return client, bufio.NewReader(client)
}

// lines gives the lines of a stream that have come, and whether it has ended.
func lines(r *bufio.Reader) (all func() []string, ended func() bool) {
	var mu sync.Mutex
	var got []string
	over := false
	go func() {
		answer, err := http.ReadResponse(r, nil)
		if err == nil {
			defer answer.Body.Close()
			for body := bufio.NewScanner(answer.Body); body.Scan(); {
				mu.Lock()
				got = append(got, body.Text())
				mu.Unlock()
			}
		}
		mu.Lock()
		over = true
		mu.Unlock()
	}()
	return func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return got
		}, func() bool {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return over
		}
}

func (s *served) id(seq int) string {
	s.t.Helper()
	id, err := s.store.Identity(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%x-%d", id.Epoch, seq)
}

func has(lines []string, prefix string) (count int) {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			count++
		}
	}
	return count
}

// An idle stream shows every 15 s that it lives, however long.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		_, r := s.listen("")
		all, ended := lines(r)
		time.Sleep(10*time.Minute + time.Second)
		if got := has(all(), ": alive"); got != 40 || ended() {
			t.Errorf("%d signs of life in 10 minutes, ended %t", got, ended())
		}
		s.fail(1, 1)
		if got := has(all(), "id: "+s.id(1)); got != 1 {
			t.Errorf("an event came %d times", got)
		}
	})
}

// A client that does not read is dropped after a while. Neither commits nor
// other clients wait for it. It comes back with the id that it got last, and
// misses nothing.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		slow, slowReader := s.listen("")
		answer, err := http.ReadResponse(slowReader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewScanner(answer.Body)
		until := func(prefix string) bool {
			for body.Scan() {
				if strings.HasPrefix(body.Text(), prefix) {
					return true
				}
			}
			return false
		}
		s.fail(1, 1)
		if !until("id: " + s.id(1)) {
			t.Fatal("no event")
		}
		_, r := s.listen("")
		all, ended := lines(r)
		synctest.Wait()
		begin := time.Now()
		for range 10 {
			s.fail(500, 300) // more than buffers hold
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("commits waited %s", took)
		}
		if got := has(all(), "id: "); got != 5000 || time.Since(begin) > 0 {
			t.Errorf("another client got %d events in %s", got, time.Since(begin))
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		for until("id: ") { // what was under way when it was dropped
		}
		if _, err := slow.Write([]byte("x")); err == nil {
			t.Error("it was not dropped")
		}
		if ended() {
			t.Error("the other one was")
		}
		_, r = s.listen(s.id(1))
		all, _ = lines(r)
		if got := all(); has(got, "id: ") != 5000 || !slices.Contains(got, "id: "+s.id(2)) || has(got, "event: reset") != 0 {
			t.Errorf("it got %d events when it came back", has(got, "id: "))
		}
	})
}

// A client that goes ends its stream, so that others find a place.
func TestClientsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		for range 1000 {
			client, r := s.listen("")
			answer, err := http.ReadResponse(r, nil)
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatal(err, answer)
			}
			if err := client.Close(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
	})
}

// Past the most that can listen, a client is told to come back, in the form of
// RFC 9457; it finds a place once another has gone.
func TestTooManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1000
		s := serve(t)
		ask := func() (net.Conn, *http.Response) {
			t.Helper()
			client, r := s.listen("")
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			return client, answer
		}
		var first net.Conn
		for i := range most {
			client, answer := ask()
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("client %d: %s", i, answer.Status)
			}
			if first == nil {
				first = client
			}
		}
		_, answer := ask()
		var p problem.Details
		if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || answer.StatusCode != 503 || p.Status != 503 ||
			answer.Header.Get("Content-Type") != "application/problem+json" || answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s %v %+v %v", answer.Status, answer.Header, p, err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, answer := ask(); answer.StatusCode != http.StatusOK {
			t.Errorf("after one has gone: %s", answer.Status)
		}
	})
}

// However many listen, and from wherever they resume, each is told everything
// once and in order; so they are across a rotation, from its reset on.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 4500 // more than is kept for all
		s := serve(t)
		s.fail(events, 1)
		var streams []func() []string
		var from []int
		for i := range 60 {
			seq := i * 75
			_, r := s.listen(s.id(seq))
			all, _ := lines(r)
			streams, from = append(streams, all), append(from, seq)
		}
		for range 20 {
			s.fail(3, 1)
		}
		old := make([]string, 0, events+60)
		for seq := 1; seq <= events+60; seq++ {
			old = append(old, "id: "+s.id(seq))
		}
		s.rotate()
		s.fail(2, 1)
		fresh := []string{"id: " + s.id(1), "id: " + s.id(2), "id: " + s.id(3)} // a reset and two that failed
		for i, all := range streams {
			var got []string
			for _, line := range all() {
				if strings.HasPrefix(line, "id: ") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(append(slices.Clone(old[from[i]:]), fresh...), got); diff != "" {
				t.Fatalf("from %d on (-want +got)\n%s", from[i], diff)
			}
		}
	})
}

// rotate puts the file aside, after all who listen have heard what it has.
func (s *served) rotate() {
	s.t.Helper()
	synctest.Wait()
	before, err := s.store.Identity(s.t.Context())
	if err == nil {
		_, err = s.store.Rotate(s.t.Context())
	}
	if err == nil {
		err = s.store.Identify(s.t.Context(), store.Identity{ChainID: before.ChainID, Genesis: before.Genesis})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
