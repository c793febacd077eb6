package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gapless/internal/api/rest"
	"gapless/internal/node/nodetest"
)

// A proxy is where this process sends its requests to other machines, so that
// nodes can have any name. Their answers are those of a handler by host name.
// What is for TLS gets to a server that nobody trusts.
type proxy struct {
	hosts sync.Map // name to http.Handler
	tls   *httptest.Server
}

// remotes is the proxy, once TestMain has started it.
var remotes *proxy

// startProxy makes the environment's proxy of one. It counts from the first
// request of the process on.
func startProxy() (stop func()) {
	remotes = &proxy{tls: httptest.NewUnstartedServer(http.NotFoundHandler())}
	remotes.tls.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes fail
	remotes.tls.StartTLS()
	server := httptest.NewServer(remotes)
	os.Setenv("HTTP_PROXY", server.URL)
	os.Setenv("HTTPS_PROXY", server.URL)
	os.Setenv("NO_PROXY", ".invalid")
	return func() {
		server.Close()
		remotes.tls.Close()
	}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.tunnel(w)
		return
	}
	h, ok := p.hosts.Load(r.URL.Hostname())
	if !ok {
		http.Error(w, "no such host: "+r.URL.String(), http.StatusBadGateway)
		return
	}
	h.(http.Handler).ServeHTTP(w, r)
}

// tunnel connects a client with the server that speaks TLS.
func (p *proxy) tunnel(w http.ResponseWriter) {
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	server, err := net.Dial("tcp", p.tls.Listener.Addr().String())
	if err != nil {
		return
	}
	defer server.Close()
	fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(server, client) }() // ends with the connections
	_, _ = io.Copy(client, server)
}

// The secrets of a node's URL and header, each in a place of its own.
const (
	keyUser     = "userkey-5eb3a1"
	keyPassword = "passwordkey-9d20c4"
	keyHost     = "hostkey-77f01e"
	keyPath     = "pathkey-c0ffee42"
	keyQuery    = "querykey+b16b00"
	keyHeader   = "headerkey-1badcafe"
	keyBearer   = "bearerkey-feedf00d"
)

// keyForms are the texts that are to be found nowhere.
func keyForms() (forms []string) {
	for _, key := range []string{keyUser, keyPassword, keyHost, keyPath, keyQuery, keyHeader, keyBearer} {
		forms = append(forms, key, url.QueryEscape(key), hex.EncodeToString([]byte(key)),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(key)), "="))
	}
	pair := base64.StdEncoding.EncodeToString([]byte(keyUser + ":" + keyPassword))
	return append(forms, strings.TrimRight(pair, "="), keyUser[:7]+":", "/rpc/v3/")
}

// keyURL has a key wherever a URL can have one.
func keyURL(scheme, host string) string {
	return fmt.Sprintf("%s://%s:%s@%s/rpc/v3/%s?apikey=%s", scheme, keyUser, keyPassword, host, keyPath, url.QueryEscape(keyQuery))
}

// echo is what a node says that repeats all that it was sent.
func echo(host string) string {
	return fmt.Sprintf("no project %s for %s on %s (%s %s), Authorization: Bearer %s, X-Api-Key: %s",
		keyPath, keyURL("http", host), host, keyUser, keyPassword, keyBearer, keyHeader)
}

// A spill is all that a program has given away.
type spill struct {
	t     *testing.T
	mu    sync.Mutex
	texts map[string]string // by where it was found
}

func (s *spill) add(where, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[where] += text
}

// files adds the database file and what is beside it.
func (s *spill) files(db string) {
	s.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		content, err := os.ReadFile(db + suffix)
		if err == nil {
			s.add("FILE"+suffix, string(content))
		}
	}
}

// run adds what a command says, however it ends.
func (s *spill) run(args ...string) {
	s.t.Helper()
	_, stdout, stderr := gapless(s.t, args...)
	s.add("gapless "+strings.Join(args[:1], " "), stdout+stderr)
}

// pages adds what is served.
func (s *spill) pages(page string) {
	s.t.Helper()
	for _, path := range []string{
		"/", "/metrics", "/healthz", "/readyz", "/nowhere", "/blocks", "/block/12", "/block/20", "/transactions", "/tokens", "/missing", "/journal", "/search?q=12",
		"/api/v1/status", "/api/v1/failed", "/api/v1/failed?limit=x", "/api/v1/blocks", "/api/v1/transactions", "/api/v1/logs?from=0&to=9",
		"/api/v1/transfers", "/api/v1/tokens", "/api/v1/coverage", "/api/v1/journal",
	} {
		_, body := get(s.t, page+path)
		s.add(path, body)
	}
	for _, method := range []string{"web3_clientVersion", "eth_blockNumber", "eth_call", "eth_estimateGas", "eth_gasPrice", "net_version"} {
		call := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[{"to":"0x7000000000000000000000000000000000000001"},"latest"]}`, method)
		s.add(method, post(s.t, page, call))
	}
	s.add("events", readEvents(s.t, page, status(s.t, page)))
}

// post makes a JSON-RPC call, of which the answer may be a while in coming.
func post(t *testing.T, page, call string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, page, strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "" // the node is silent
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body) // what comes in time
	return string(body)
}

// readEvents gives the events that are there from the file's begin on.
func readEvents(t *testing.T, page string, st rest.Status) string {
	t.Helper()
	if st.Chain == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/api/v1/events?last_event_id="+st.Chain.Epoch+"-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body) // until the time is over
	if !bytes.Contains(body, []byte("event: ")) {
		t.Errorf("no events:\n%s", body)
	}
	return string(body)
}

// everything adds all that a running program tells.
func (s *spill) everything(page, db string) {
	s.t.Helper()
	s.pages(page)
	for _, args := range [][]string{
		{"status"}, {"status", "--json"}, {"status", "--report"}, {"gaps"}, {"gaps", "--json"},
		{"verify"}, {"verify", "--json"}, {"retry", "all"}, {"skip", "12", "--reason", "lost"},
	} {
		s.run(append(args, "--db", db)...)
	}
	s.files(db)
}

// holdsNone fails the test for each key that was given away.
func (s *spill) holdsNone() {
	s.t.Helper()
	for where, text := range s.texts {
		lower := strings.ToLower(text)
		for _, form := range keyForms() {
			if at := strings.Index(lower, strings.ToLower(form)); at >= 0 {
				s.t.Errorf("%q is told by %s: …%q…", form, where, text[max(0, at-100):min(len(text), at+100)])
				break
			}
		}
	}
}

// No key of --rpc or --rpc-header is given away, wherever the key is and however
// the node fails: in the log, the file and what is beside it, over HTTP, or by
// any command.
func TestNoKeyIsTold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("some faults are timeouts")
	}
	type fault struct {
		name string
		node func(n *nodetest.Node, host string)
		wrap func(http.Handler) http.Handler // what answers in the node's place
	}
	faults := []fault{
		{name: "down", node: func(n *nodetest.Node, _ string) { n.Down = true }},
		{name: "redirect", wrap: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.URL.String()+"&again="+keyPath, http.StatusTemporaryRedirect)
			})
		}},
		{name: "echo in HTML", wrap: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, "<html>%s</html>", echo(r.Host))
			})
		}},
		{name: "echo in an error for all", wrap: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":%q,"data":%q}}`, echo(r.Host), echo(r.Host))
			})
		}},
		{name: "echo in headers", wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", keyPath)
				w.Header().Set("Content-Type", keyPath)
				http.Error(w, "", http.StatusServiceUnavailable)
			})
		}},
	}
	for _, code := range []int{400, 401, 403, 404, 429, 500, 503} {
		faults = append(faults, fault{name: fmt.Sprintf("status %d", code), node: func(n *nodetest.Node, host string) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: code, Message: echo(host)}
		}})
	}
	for _, code := range []int{-32000, -32005, -32601, 4444} {
		faults = append(faults, fault{name: fmt.Sprintf("error %d", code), node: func(n *nodetest.Node, host string) {
			n.FaultFunc = func(uint64) *nodetest.Fault {
				return &nodetest.Fault{Kind: nodetest.RPCError, Code: code, Message: echo(host)}
			}
		}})
	}
	for _, kind := range nodetest.Kinds() {
		faults = append(faults, fault{name: kind.String(), node: func(n *nodetest.Node, host string) {
			f := &nodetest.Fault{Kind: kind, Message: echo(host)}
			if kind >= nodetest.TruncatedBody {
				n.Every = f
				return
			}
			n.FaultFunc = func(uint64) *nodetest.Fault { return f }
		}})
	}
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			host := fmt.Sprintf("%s.node%d.example", keyHost, i)
			fake := nodetest.New(recording())
			fake.Do(func(n *nodetest.Node) {
				n.Head, n.Client = 30, "Geth/"+echo(host)
				n.Faults[12] = &nodetest.Fault{Kind: nodetest.RPCError, Message: echo(host)}
			})
			remotes.hosts.Store(host, fake)
			db := newDB(t)
			p, page := follow(t, db, keyURL("http", host), "--rpc-header", "Authorization: Bearer "+keyBearer,
				"--rpc-header", "X-Api-Key: "+keyHeader, "--rps", "-1", "--log-level", "debug", "--retry-base", "100ms")
			reaches(t, page, 31, 1)
			s := &spill{t: t, texts: make(map[string]string)}
			s.pages(page)
			if got := s.texts["/api/v1/failed"]; !strings.Contains(got, "no project … for ") {
				t.Errorf("what the node said is not told without its keys: %s", got)
			}

			before := p.stderr.String()
			if f.wrap != nil {
				remotes.hosts.Store(host, f.wrap(fake))
			}
			fake.Do(func(n *nodetest.Node) {
				n.Head = 40
				if f.node != nil {
					f.node(n, host)
				}
			})
			eventually(t, "the fault is felt", func() bool {
				st := status(t, page)
				node, warned := st.Endpoints[0], strings.Count(p.stderr.String()[len(before):], "level=WARN")
				return st.Next > 31 || !st.Ready || node.Error != "" || !node.PausedUntil.IsZero() || warned > 1 || used(fake) > 5
			})
			s.everything(page, db)
			if code := p.stop(); code != exitDone {
				t.Errorf("exit %d", code)
			}
			s.files(db)
			s.run("verify", "--db", db)
			s.add("log", p.stderr.String()+p.stdout.String())
			s.holdsNone()
		})
	}
}

// used is how often the fault of all answers has spoiled one.
func used(n *nodetest.Node) (times int) {
	n.Do(func(n *nodetest.Node) {
		if n.Every != nil {
			times = n.Every.Used
		}
	})
	return times
}

// Nor is one told by a program that never gets to its node.
func TestNoKeyIsToldAtStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, url string }{
		{"refused", keyURL("http", "127.0.0.1:1")},
		{"refused WebSocket", keyURL("ws", "127.0.0.1:1")},
		{"no such host", keyURL("http", keyHost+".gapless.invalid")},
		{"no such host, TLS", keyURL("https", keyHost+".gapless.invalid")},
		{"nobody behind the proxy", keyURL("http", keyHost+".nobody.example")},
		{"a WebSocket that is none", keyURL("ws", keyHost+".nobody.example")},
		{"TLS that nobody trusts", keyURL("https", keyHost+".secure.example")},
		{"not a URL", keyURL("http", keyHost+".x.example:port")},
		{"no scheme", strings.TrimPrefix(keyURL("http", keyHost+".x.example"), "http:")},
		{"an unknown scheme", keyURL("ftp", keyHost+".x.example")},
		{"a socket with a host", keyURL("ipc", keyHost+".x.example")},
		{"no host", keyURL("http", "")},
		{"bad escape", keyURL("http", keyHost+".x.example") + "%zz\x7f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			args := []string{"run", "--db", db, "--rpc", tt.url, "--rpc-header", "X-Api-Key: " + keyHeader,
				"--rpc-header", "Authorization: Bearer " + keyBearer, "--listen", "127.0.0.1:0", "--log-level", "debug"}
			p := begin(t, args...)
			s := &spill{t: t, texts: make(map[string]string)}
			eventually(t, "it says what is wrong", func() bool {
				said := p.stderr.String()
				return strings.Contains(said, "waiting for the node") || strings.Contains(said, "gapless: ")
			})
			if n, ok := readNotice(db); ok {
				s.pages("http://" + n.Address)
				s.run("status", "--db", db, "--report")
			}
			p.stop()
			s.files(db)
			s.add("log", p.stderr.String()+p.stdout.String())
			s.holdsNone()
		})
	}
}
