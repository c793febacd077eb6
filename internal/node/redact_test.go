package node_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// No secret comes out of the package, whatever fails.
func TestNothingTellsASecret(t *testing.T) {
	const key, user, password, query, token = "pathkey0123456789", "someuser", "pa55word", "querykey", "headertoken99"
	echo := fmt.Sprintf("unknown project %s of %s:%s, %s, Bearer %s", key, user, password, strings.ToUpper(query), token)
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"echo in its name", func(n *nodetest.Node) { n.Client = echo }},
		{"down", func(n *nodetest.Node) { n.Down = true }},
		{"echo in an RPC error", func(n *nodetest.Node) {
			n.Faults[1] = &nodetest.Fault{Kind: nodetest.RPCError, Message: echo}
		}},
		{"echo in a body", func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 401, Message: echo}
		}},
		{"silent", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Hang} }},
		{"truncated", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.TruncatedBody} }},
		{"too many", func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, Message: echo, RetryAfter: "900"}
		}},
	} {
		for _, scheme := range []string{"http", "ws"} {
			t.Run(tt.name+" "+scheme, func(t *testing.T) {
				t.Parallel()
				fake := chainOf(3)
				server := httptest.NewServer(fake)
				t.Cleanup(server.Close)
				fake.Do(tt.set)
				var log bytes.Buffer
				registry := prometheus.NewRegistry()
				host := strings.TrimPrefix(server.URL, "http://")
				n := open(t, node.Options{
					URLs:    []string{fmt.Sprintf("%s://%s:%s@%s/v3/%s?apikey=%s", scheme, user, password, host, key, query)},
					Header:  http.Header{"Authorization": {"Bearer " + token}},
					Timeout: 100 * time.Millisecond, Metrics: registry,
					Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				results, err := n.Blocks(t.Context(), numbers(0, 3), 0)
				_, err2 := n.Head(t.Context())
				id, err3 := n.Identity(t.Context())
				metrics, _ := registry.Gather()
				all := fmt.Sprintf("%v %v %v %v %v %+v %v", id, err, err2, err3, metrics, n.State(), log.String())
				for _, r := range results {
					all += fmt.Sprintf(" %v %+v", r.Err, r.Err)
				}
				for _, secret := range []string{key, user, password, query, token, "/v3/"} {
					if strings.Contains(strings.ToLower(all), secret) {
						t.Errorf("%s is told in %s", secret, all)
					}
				}
			})
		}
	}
}

func TestLabels(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"http://localhost:8545", "localhost#1"},
		{"http://127.0.0.1:8545/key", "127.0.0.1#1"},
		{"https://203.0.113.7/", "203.0.113.7#1"},
		{"http://[::1]:8545", "::1#1"},
		{"https://secretkey.mainnet.provider.com/", "provider.com#1"},
		{"wss://user:pass@provider.com:443/x", "provider.com#1"},
		{"http://geth:8545", "geth#1"},
	} {
		n := open(t, node.Options{URLs: []string{tt.url}})
		if got := n.State()[0].Label; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.url, got, tt.want)
		}
	}
}

func TestHostNameIsHidden(t *testing.T) {
	n := open(t, node.Options{URLs: []string{"http://secretkey.nowhere.invalid/"}, Timeout: 5 * time.Second})
	_, err := n.Head(t.Context())
	if err == nil || strings.Contains(err.Error(), "secretkey") {
		t.Error(err)
	}
}

func TestBadURLs(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"127.0.0.1:8545/topsecret", "without http://"},
		{"/v2/topsecret", "without http://"},
		{"localhost:8545/topsecret", "without http://"},
		{"topsecret.example.com", "without http://"},
		{"ftp://topsecret.example.com", `unknown scheme "ftp"`},
		{"http://topsecret:%zz@example.com:x", "in a password write"},
		{"http://example.com:topsecret", "not a URL"},
		{"http:///topsecret", "without a host"},
		{"", "without http://"},
	} {
		_, err := node.New(node.Options{URLs: []string{tt.url}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %v, want %q", tt.url, err, tt.want)
		}
	}
	if _, err := node.New(node.Options{}); err == nil {
		t.Error("no URL is no error")
	}
}

func TestMetrics(t *testing.T) {
	fake := chainOf(3)
	fake.Do(func(n *nodetest.Node) { n.Faults[2] = &nodetest.Fault{Kind: nodetest.RPCError} })
	registry := prometheus.NewRegistry()
	n := open(t, node.Options{URLs: []string{near}, Transport: fake, Metrics: registry})
	if _, err := n.Blocks(t.Context(), numbers(1, 3), 0); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP gapless_endpoint_up Whether the endpoint answered last (1) or not (0).
# TYPE gapless_endpoint_up gauge
gapless_endpoint_up{endpoint="127.0.0.1#1"} 1
# HELP gapless_rpc_calls_total Calls to Ethereum nodes, by method and outcome.
# TYPE gapless_rpc_calls_total counter
gapless_rpc_calls_total{method="eth_chainId",outcome="ok"} 2
gapless_rpc_calls_total{method="eth_getBlockByNumber",outcome="error"} 1
gapless_rpc_calls_total{method="eth_getBlockByNumber",outcome="ok"} 4
gapless_rpc_calls_total{method="eth_getBlockReceipts",outcome="error"} 1
gapless_rpc_calls_total{method="eth_getBlockReceipts",outcome="ok"} 2
gapless_rpc_calls_total{method="web3_clientVersion",outcome="ok"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gapless_endpoint_up", "gapless_rpc_calls_total"); err != nil {
		t.Error(err)
	}
	if _, err := node.New(node.Options{URLs: []string{near}, Metrics: registry}); err == nil {
		t.Error("registered twice")
	}
}
