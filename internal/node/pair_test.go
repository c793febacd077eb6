package node_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

const (
	one = "http://127.0.0.1:8545"
	two = "http://127.0.0.1:9545"
)

// A pair is a client of two nodes.
type pair struct {
	*node.Node
	a, b     *nodetest.Node
	log      log
	registry *prometheus.Registry
}

// A log keeps what is written to it.
type log struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String gives all of it.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newPair makes two nodes of the same chain and a client of them, both of which
// are at the given URLs or on loopback.
func newPair(t *testing.T, urls ...string) *pair {
	t.Helper()
	if len(urls) == 0 {
		urls = []string{one, two}
	}
	spec := devchain.Spec{Blocks: 60, Transactions: 1, Logs: 1}
	p := &pair{a: nodetest.New(devchain.Build(spec)), b: nodetest.New(devchain.Build(spec)), registry: prometheus.NewRegistry()}
	hosts := nodetest.Hosts{hostOf(t, urls[0]): p.a, hostOf(t, urls[1]): p.b}
	set(p.a, func(n *nodetest.Node) { n.Head = 20 })
	set(p.b, func(n *nodetest.Node) { n.Head = 20 })
	p.Node = open(t, node.Options{
		URLs: urls, Transport: hosts, Metrics: p.registry, Timeout: 2 * time.Second,
		Logger: slog.New(slog.NewTextHandler(&p.log, nil)),
	})
	return p
}

func hostOf(t *testing.T, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// set changes a node.
func set(n *nodetest.Node, f func(n *nodetest.Node)) { n.Do(f) }

func (p *pair) blocks(t *testing.T, from, to uint64) []chain.Result {
	t.Helper()
	results, err := p.Blocks(t.Context(), numbers(from, to), 0)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// leads says which endpoint is followed, by its number.
func (p *pair) leads() int {
	for i, s := range p.State() {
		if s.Leads {
			return i + 1
		}
	}
	return 0
}

// whole is how often a node was asked for each whole block.
func whole(n *nodetest.Node, number uint64) int { return n.AskedFor()[number] }

func fault(kind nodetest.Kind) *nodetest.Fault { return &nodetest.Fault{Kind: kind} }
