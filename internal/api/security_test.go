package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/api"
	"gapless/internal/api/pages"
	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// changing are all routes that change something, with a body that would.
var changing = map[string]string{
	"/api/v1/retry":    `{}`,
	"/api/v1/skip":     `{"block":10,"reason":"x"}`,
	"/api/v1/repair":   `{"blocks":[5]}`,
	"/api/v1/prune":    `{"below":1}`,
	"/api/v1/complete": `{"blocks":[5]}`,
	"/missing/retry":   `block=10`,
	"/missing/skip":    `block=10&reason=x`,
}

func bodyType(path string) string {
	if strings.HasPrefix(path, "/api/") {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// untouched makes sure that nothing was changed.
func (f *fixture) untouched() {
	f.t.Helper()
	row, err := f.store.Failed(f.t.Context(), 10)
	if err != nil || row.Skipped() || !row.NextRetryAt.Equal(time.Unix(2e9, 0)) || f.reloads > 0 {
		f.t.Errorf("block 10 is %+v, %v; %d reloads", row, err, f.reloads)
	}
	if missing, err := f.store.CountMissing(f.t.Context(), 0, 20); err != nil || missing != 1 {
		f.t.Errorf("%d blocks are missing, %v", missing, err)
	}
}

// Behind a proxy every stranger comes from this machine, and may say whatever it
// likes about that. It can't change a thing without the token.
func TestStrangersBehindProxy(t *testing.T) {
	f := newFixtureAt(t, "127.0.0.1:8600", "index.example")
	f.commit(20, 10)
	behind, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, rewrite := range map[string]func(*httputil.ProxyRequest){
		"as nginx":      func(r *httputil.ProxyRequest) { r.SetURL(behind); r.SetXForwarded() },
		"as Caddy":      func(r *httputil.ProxyRequest) { r.SetURL(behind); r.SetXForwarded(); r.Out.Host = "index.example" },
		"says nothing":  func(r *httputil.ProxyRequest) { r.SetURL(behind) },
		"passes all on": func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Header = r.In.Header },
	} {
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: rewrite})
		defer proxy.Close()
		for _, said := range [][2]string{
			{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-IP", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1;host=localhost"},
			{"X-Forwarded-Host", "localhost"}, {"X-Forwarded-Proto", "https"}, {"True-Client-IP", "::1"},
			{"Authorization", "Bearer "}, {"Authorization", "Basic dG9rZW46"}, {"Cookie", "gapless_token="}, {"Cookie", f.forgery()},
		} {
			for path, body := range changing {
				r, err := http.NewRequestWithContext(t.Context(), "POST", proxy.URL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", bodyType(path))
				r.Header.Set(said[0], said[1])
				if status, _ := f.from(r, "", "index.example"); status != http.StatusForbidden {
					t.Errorf("%s: POST %s with %v: HTTP %d", name, path, said, status)
				}
			}
		}
	}
	f.untouched()
}

// A page of another site changes nothing, even in the name of somebody who has
// the token.
func TestOtherSitesChangeNothing(t *testing.T) {
	f := newFixture(t)
	f.commit(20, 10)
	token := []string{"Authorization", "Bearer " + token, "Cookie", f.session()}
	for path, body := range changing {
		for _, from := range [][]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"}, // another port is another page
			{"Origin", "https://evil.example"},
			{"Origin", "null"},
			{"Origin", "http://localhost:3000"},
			{"Host", "evil.example:8600"},
			{"Host", "evil.example:8600", "Origin", "http://evil.example:8600", "Sec-Fetch-Site", "same-origin"}, // DNS rebinding
			{"Host", "127.0.0.1.evil.example"},
			{"Host", "localhost.evil.example"},
		} {
			headers := append(append([]string{"Content-Type", bodyType(path)}, token...), from...)
			if answer := f.do("POST", path, body, headers...); answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("POST %s with %v: %s", path, from, answer.Status)
			}
		}
	}
	f.untouched()
	answer := f.do("POST", "/api/v1/retry", "{}", append([]string{"Content-Type", "application/json", "Sec-Fetch-Site", "none"}, token...)...)
	if answer.StatusCode != http.StatusOK || f.reloads != 1 {
		t.Errorf("with the token, from nowhere else: %s, %d reloads", answer.Status, f.reloads)
	}
}

// Who is taken for another site because a proxy passes on another host than the
// browser has asked for is told which two hosts differ, and what to do.
func TestProxyWithAnotherHost(t *testing.T) {
	f := newFixtureAt(t, "127.0.0.1:8600", "index.example")
	f.commit(20, 10)
	for _, host := range []string{"127.0.0.1:8600", "index.example"} {
		behind := []string{"Host", host, "Origin", "http://index.example:8080", "Cookie", f.session()}
		said := f.body(f.do("POST", "/missing/retry", "", append(behind, "Accept", "text/html")...))
		socket := f.body(f.do("GET", "/", "", append(behind, "Connection", "Upgrade", "Upgrade", "websocket")...))
		for _, want := range []string{host, "index.example:8080", "proxy_set_header Host $http_host"} {
			if !strings.Contains(said, want) || !strings.Contains(socket, want) {
				t.Errorf("at %s it does not say %q:\n%s\n%s", host, want, said, socket)
			}
		}
		if !strings.Contains(said, "</html>") {
			t.Errorf("a person gets no page: %s", said)
		}
		far := f.body(f.do("POST", "/missing/retry", "", append(behind, "Sec-Fetch-Site", "cross-site")...))
		if strings.Contains(far, "proxy") {
			t.Errorf("a page that is of another site for the browser: %s", far)
		}
	}
	f.untouched()
}

// A name that was made to point to this machine is not ours, also for who only
// reads; but where others reach the server, they read by any name.
func TestNames(t *testing.T) {
	near, far, named := newFixture(t), newFixtureAt(t, "0.0.0.0:8600"), newFixtureAt(t, "127.0.0.1:8600", "index.example")
	for _, f := range []*fixture{near, far, named} {
		f.commit(5)
	}
	const call = `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`
	for _, tt := range []struct {
		host             string
		near, far, named int // of a GET
		call, callNamed  int // of a call of the first and the last: the other takes it by any name
	}{
		{"127.0.0.1:8600", 200, 200, 200, 200, 200},
		{"[::1]:8600", 200, 200, 200, 200, 200},
		{"192.168.1.5", 200, 200, 200, 200, 200}, // an address can't be made to point elsewhere
		{"localhost", 200, 200, 200, 200, 200},
		{"gapless.localhost:8600", 200, 200, 200, 200, 200},
		{"index.example", 421, 200, 200, 421, 200},
		{"INDEX.example:443", 421, 200, 200, 421, 200},
		{"evil.example:8600", 421, 200, 421, 421, 421},
		{"localhost.evil.example", 421, 200, 421, 421, 421},
		{"127.0.0.1.evil.example", 421, 200, 421, 421, 421},
	} {
		for _, path := range []string{"/api/v1/blocks", "/", "/metrics"} {
			got := []int{near.do("GET", path, "", "Host", tt.host).StatusCode, far.do("GET", path, "", "Host", tt.host).StatusCode,
				named.do("GET", path, "", "Host", tt.host).StatusCode}
			if want := []int{tt.near, tt.far, tt.named}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("GET %s of %s: HTTP %d, want %d", path, tt.host, got, want)
			}
		}
		var got []int
		for _, f := range []*fixture{near, far, named} {
			got = append(got, f.do("POST", "/", call, "Host", tt.host, "Content-Type", "application/json").StatusCode)
		}
		if want := []int{tt.call, 200, tt.callNamed}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("POST / of %s: HTTP %d, want %d", tt.host, got, want)
		}
	}
	p := read[problem.Details](t, near.do("GET", "/", "", "Host", "index.example"))
	if !strings.Contains(p.Detail, "--host") {
		t.Errorf("it does not say what to do: %+v", p)
	}
}

// OPTIONS tells what a path takes, to anybody; a browser is told to send nothing
// but reads and calls, and only for a page of this machine.
func TestOptions(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct{ path, origin, allow, methods string }{
		{"/api/v1/blocks", "", "GET, HEAD, OPTIONS", ""},
		{"/api/v1/blocks/5", "http://localhost:3000", "GET, HEAD, OPTIONS", "GET, HEAD"},
		{"/api/v1/retry", "http://localhost:3000", "POST, OPTIONS", ""},
		{"/", "http://localhost:3000", "GET, HEAD, POST, OPTIONS", "GET, HEAD, POST"},
		{"/", "https://evil.example", "GET, HEAD, POST, OPTIONS", ""},
	} {
		answer := f.do("OPTIONS", tt.path, "", "Origin", tt.origin)
		h := answer.Header
		if answer.StatusCode != http.StatusNoContent || h.Get("Allow") != tt.allow || h.Get("Access-Control-Allow-Methods") != tt.methods {
			t.Errorf("OPTIONS %s from %q: %s %v", tt.path, tt.origin, answer.Status, h)
		}
		if strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("OPTIONS %s from %q: a page may show a token", tt.path, tt.origin)
		}
	}
	if answer := f.do("OPTIONS", "/nowhere", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("OPTIONS /nowhere: %s", answer.Status)
	}
}

// What is too much is refused before it costs much.
func TestLimits(t *testing.T) {
	f := newFixture(t)
	f.commit(5)
	if answer := f.do("GET", "/api/v1/status", "", "X-Long", strings.Repeat("x", 40<<10)); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 40 KB: %s", answer.Status)
	}
	if answer := f.do("GET", "/api/v1/logs?cursor="+strings.Repeat("1", 8<<10), ""); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a cursor of 8 KB: %s", answer.Status)
	}
	if answer := f.do("POST", "/", `["`+strings.Repeat("x", 6<<20)+`"]`, "Content-Type", "application/json"); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a call of 6 MB: %s", answer.Status)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	w := httptest.NewRecorder()
	f.server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(late, "GET", "http://localhost/api/v1/logs", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "ask for fewer blocks") {
		t.Errorf("a question that takes too long: %d %s", w.Code, w.Body)
	}
}

// A number of answers are made at once, others wait for a while; those who watch over
// the process are answered all the same.
func TestManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 16
		release := make(chan struct{})
		server := newServer(t, func() (s rest.Status) { <-release; return s })
		ask := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			server.Handler.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
			return w
		}
		var group sync.WaitGroup
		for range most {
			group.Go(func() {
				if w := ask("/api/v1/status"); w.Code != http.StatusOK {
					t.Errorf("HTTP %d %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if w := ask("/healthz"); w.Code != http.StatusOK {
			t.Errorf("/healthz: HTTP %d", w.Code)
		}
		began := time.Now()
		w := ask("/api/v1/status")
		var p problem.Details
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 503 || p.Status != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("HTTP %d %s, %v", w.Code, w.Body, err)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("it waited %s", waited)
		}
		group.Go(func() {
			if w := ask("/api/v1/status"); w.Code != http.StatusOK {
				t.Errorf("HTTP %d for the one that waited", w.Code)
			}
		})
		synctest.Wait()
		close(release)
		group.Wait()
	})
}

// newServer makes a server of an empty file, with a status.
func newServer(t *testing.T, status func() rest.Status) *http.Server {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "new.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &rest.Handler{Store: s, Token: token, SessionKey: "the key", Status: func(context.Context) (rest.Status, error) { return status(), nil }}
	return api.NewServer(api.Routes{REST: h, Pages: pages.New(h, nil, pages.NewSignatures(), nil), Metrics: prometheus.NewRegistry()}, "127.0.0.1:8600")
}

// A client that sends its headers or its body drop by drop is hung up on.
func TestSlowRequests(t *testing.T) {
	for name, start := range map[string]string{
		"headers": "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n",
		"body": "POST /api/v1/retry HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t, func() (s rest.Status) { return s })
				l := &pipe{ended: make(chan struct{}), conns: make(chan net.Conn, 1)}
				var group sync.WaitGroup
				group.Go(func() { _ = server.Serve(l) }) // until it is closed
				client, conn := net.Pipe()
				l.conns <- conn
				began := time.Now()
				group.Go(func() {
					_, err := io.WriteString(client, start)
					for err == nil {
						time.Sleep(time.Second)
						_, err = io.WriteString(client, "x")
					}
				})
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Error(err)
				}
				if lived := time.Since(began); lived > 11*time.Second {
					t.Errorf("it lived for %s", lived)
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				group.Wait()
			})
		})
	}
}

// A client that does not read is hung up on after a while; one that reads slowly
// gets all.
func TestSlowReaders(t *testing.T) {
	const most = 64 << 10
	for name, tt := range map[string]struct {
		pause time.Duration
		whole bool
	}{"too slow": {31 * time.Second, false}, "slow": {14 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t, func() rest.Status { return rest.Status{State: strings.Repeat("x", 5*most)} })
				l := &pipe{ended: make(chan struct{}), conns: make(chan net.Conn, 1)}
				var group sync.WaitGroup
				group.Go(func() { _ = server.Serve(l) }) // until it is closed
				client, conn := net.Pipe()
				l.conns <- conn
				if _, err := io.WriteString(client, "GET /api/v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				read, err := 0, error(nil)
				for err == nil {
					time.Sleep(tt.pause)
					var n int
					n, err = io.ReadFull(client, make([]byte, most))
					read += n
				}
				if whole := read > 5*most; whole != tt.whole {
					t.Errorf("%d bytes were read, %v", read, err)
				}
				if err := server.Close(); err != nil {
					t.Error(err)
				}
				group.Wait()
			})
		})
	}
}

// A pipe is a listener in memory.
type pipe struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

// Accept is part of [net.Listener].
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

// Close is part of [net.Listener].
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

// Addr is part of [net.Listener].
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
