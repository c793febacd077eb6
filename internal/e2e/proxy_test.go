//go:build e2e && unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gapless/internal/e2e/nodes"
)

// A proxy stands before a node. It passes on what it is asked, and spoils
// answers, by a seed: what it sends is the node's bytes but for that.
type proxy struct {
	url string // HTTP and WebSocket

	mu       sync.Mutex // guards what follows
	node     *nodes.Node
	rand     *rand.Rand
	spoils   spoils
	used     map[uint64]int     // faults of a block, so far
	heads    []json.RawMessage  // that the node told, the last ones
	denies   time.Time          // until then everything is refused
	counts   map[string]int     // faults by name
	cut      context.CancelFunc // ends the WebSockets
	sockets  context.Context
	requests int
}

// spoils say what a proxy spoils.
type spoils struct {
	every  uint64  // blocks whose number is a multiple are spoiled; 0: none
	times  int     // how often each of them
	rate   float64 // of all other answers
	faults []fault // to choose from, each as often as the others

	always map[uint64]bool // blocks that one fault spoils each time
	fault  fault           // that one
}

// A fault is a way in which answers are spoiled: one item of an answer, or all
// of it. Only one of the functions is set.
type fault struct {
	name string
	item func(*item) bool // it reports whether the item is one for it
	wire func(http.ResponseWriter, *http.Request, []byte)
}

// newProxy makes a proxy before a node, on this machine's first address or a
// public one, which the program takes for another machine's.
func newProxy(t *testing.T, n *nodes.Node, host string, seed uint64) *proxy {
	p := &proxy{
		rand: rand.New(rand.NewPCG(seed, 0)), used: map[uint64]int{}, counts: map[string]int{}, cut: func() {},
	}
	p.show(n)
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: p}}
	s.Start()
	p.url = s.URL
	t.Cleanup(func() {
		p.show(n)                  // ends the WebSockets
		s.CloseClientConnections() // those that hang
		s.Close()
		t.Logf("%s", p)
	})
	return p
}

const thisMachine = "127.0.0.1"

// anotherMachine gives an address of this machine that does not look like it.
func anotherMachine(t *testing.T) string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("not run: this machine has no address but 127.0.0.1")
	return ""
}

// set changes what is spoiled.
func (p *proxy) set(s spoils) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoils = s
}

// show has the proxy stand before another node from now on, or before none.
func (p *proxy) show(n *nodes.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.node = n
	p.cut()
	p.sockets, p.cut = context.WithCancel(context.Background())
}

// backend gives the node, and a context that ends when it is another one.
func (p *proxy) backend() (*nodes.Node, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node, p.sockets
}

// String says what was spoiled.
func (p *proxy) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.counts)) {
		total += p.counts[name]
		fmt.Fprintf(&text, ", %s %d", name, p.counts[name])
	}
	return fmt.Sprintf("proxy: %d requests, %d faults of %d kinds%s", p.requests, total, len(p.counts), &text)
}

// ServeHTTP answers a POST, or upgrades to a WebSocket.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		p.serveSocket(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	answer, f := p.answer(r.Context(), body)
	if f == nil {
		f = &fault{wire: intact}
	}
	f.wire(w, r, answer)
}

func intact(w http.ResponseWriter, _ *http.Request, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client's loss
}

// answer gives the node's answer, in which items may be spoiled, and a fault of
// all of it or nil.
func (p *proxy) answer(ctx context.Context, message []byte) ([]byte, *fault) {
	if p.isDenying() {
		return nil, &fault{wire: status(http.StatusUnauthorized, "")}
	}
	node, _ := p.backend()
	if node == nil {
		return nil, &fault{wire: hangUp}
	}
	body, err := nodes.Post(ctx, node.HTTP, json.RawMessage(message))
	if err != nil {
		return nil, &fault{wire: hangUp}
	}
	items, isBatch := pair(message, body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	p.remember(items)
	changed, f := p.spoil(items)
	if changed {
		body = encode(items, isBatch)
	}
	return body, f
}

func (p *proxy) isDenying() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.denies)
}

// remember keeps the last heads.
func (p *proxy) remember(items []*item) {
	const most = 50
	for _, i := range items {
		if i.isHead() && i.result != nil && (len(p.heads) == 0 || !bytes.Equal(p.heads[len(p.heads)-1], i.result)) {
			p.heads = append(p.heads, i.result)
		}
	}
	p.heads = p.heads[max(0, len(p.heads)-most):]
}

// spoil spoils items, if it is their turn. It reports whether it changed any,
// and gives a fault that spoils the whole answer if there is one. p.mu is held.
func (p *proxy) spoil(items []*item) (changed bool, whole *fault) {
	seen := map[uint64]bool{}
	for _, i := range items {
		number, ok := i.block()
		if ok && p.spoils.always[number] {
			p.counts[p.spoils.fault.name]++
			return false, &p.spoils.fault
		}
		if !ok || p.spoils.every == 0 || number%p.spoils.every != 0 || number == 0 || p.used[number] >= p.spoils.times {
			continue
		}
		f := p.pick(i)
		if f == nil {
			continue
		}
		if !seen[number] { // one fault a request, whichever call it hits
			p.used[number]++
			seen[number] = true
		}
		if f.wire != nil {
			whole = f
		} else {
			changed = true
		}
	}
	if len(items) > 0 && p.rand.Float64() < p.spoils.rate {
		if f := p.pick(items[p.rand.IntN(len(items))]); f == nil || f.wire == nil {
			return true, whole
		} else {
			return changed, f
		}
	}
	return changed, whole
}

// pick chooses a fault for an item at random, and applies it if it is of an
// item. It gives nil if there is none for it.
func (p *proxy) pick(i *item) *fault {
	const tries = 20
	for range tries {
		if len(p.spoils.faults) == 0 {
			return nil
		}
		f := &p.spoils.faults[p.rand.IntN(len(p.spoils.faults))]
		i.proxy = p
		if f.item != nil && !f.item(i) {
			continue
		}
		p.counts[f.name]++
		return f
	}
	return nil
}

// serveSocket answers calls over a WebSocket as over HTTP; subscriptions are
// the node's.
func (p *proxy) serveSocket(w http.ResponseWriter, r *http.Request) {
	backend, ctx := p.backend()
	if backend == nil {
		panic(http.ErrAbortHandler)
	}
	node, _, err := websocket.Dial(r.Context(), backend.WS, nil)
	if err != nil {
		http.Error(w, "no WebSocket", http.StatusBadGateway)
		return
	}
	defer node.CloseNow()
	client, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer client.CloseNow()
	const most = 256 << 20
	node.SetReadLimit(most)
	client.SetReadLimit(most)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		relay(ctx, node, client)
	}()
	p.converse(ctx, client, node)
	cancel()
	<-ended
}

// relay passes on what the node says by itself.
func relay(ctx context.Context, from, to *websocket.Conn) {
	for {
		_, text, err := from.Read(ctx)
		if err != nil || to.Write(ctx, websocket.MessageText, text) != nil {
			return
		}
	}
}

// converse answers a client's messages until it goes, or is hung up on.
func (p *proxy) converse(ctx context.Context, client, node *websocket.Conn) {
	for {
		_, message, err := client.Read(ctx)
		if err != nil {
			return
		}
		if bytes.Contains(message, []byte(`"eth_subscribe"`)) {
			if node.Write(ctx, websocket.MessageText, message) != nil {
				return
			}
			continue
		}
		answer, f := p.answer(ctx, message)
		if f != nil { // as an HTTP body where it has one, else nothing at all
			w := httptest.NewRecorder()
			if answer = spoiledBody(w, f, answer); answer == nil {
				return
			}
		}
		if client.Write(ctx, websocket.MessageText, answer) != nil {
			return
		}
	}
}

// spoiledBody gives the body that a fault sends, nil if it hangs up.
func spoiledBody(w *httptest.ResponseRecorder, f *fault, body []byte) (spoiled []byte) {
	defer func() {
		if recover() != nil { // http.ErrAbortHandler
			spoiled = nil
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	f.wire(w, r, body)
	return w.Body.Bytes()
}
