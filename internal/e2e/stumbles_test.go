//go:build e2e && unix

package e2e

import (
	"net/http"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
)

// stumbles are what a node does that is well but for a moment: none says for how
// long it wants to rest.
func stumbles() []fault {
	return []fault{
		{name: "status 429", wire: status(429, "slow down")},
		{name: "error -32005", wire: func(w http.ResponseWriter, r *http.Request, _ []byte) {
			intact(w, r, []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}`))
		}},
		{name: "truncated body", wire: truncated},
		{name: "status 502", wire: status(502, "<html><body><h1>Bad gateway</h1></body></html>")},
	}
}

// A tenth of the exchanges is spoiled: that is no reason to slow down.
func TestStumblingGeth(t *testing.T) {
	const bar = 90 * time.Second // a busy machine's; 20 s are what is wanted
	genesis, rlp := loadChain(t, *blocks, 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	want := all(t, n, 0)
	p := newProxy(t, n, thisMachine, *seed)
	p.set(spoils{rate: 0.1, faults: stumbles()})
	g := runFor(t, 5*time.Minute, p.url, "--retry-base", "100ms")
	w := g.watches(want)
	took := g.complete(n)
	t.Logf("%d blocks in %v: %.0f a second", len(want), took.Round(time.Millisecond), float64(len(want))/took.Seconds())
	if took > bar {
		t.Errorf("took longer than %v", bar)
	}
	g.wasRight(w, len(want))
}

// Of two endpoints, one lies now and then: it hardly matters which is listed
// first.
func TestLiarFirst(t *testing.T) {
	const bar = 40 * time.Second // a busy machine's; 10 s are what is wanted
	genesis, rlp := loadChain(t, *blocks, 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	want := all(t, n, 0)
	catchUp := func(first bool) time.Duration {
		liar, honest := newProxy(t, n, thisMachine, *seed), newProxy(t, n, thisMachine, *seed)
		liar.set(spoils{rate: 0.5, faults: lieFaults()})
		one, two := honest.url, liar.url
		if first {
			one, two = two, one
		}
		g := runFor(t, 5*time.Minute, one, "--rpc", two, "--retry-base", "100ms")
		w := g.watches(want)
		took := g.complete(n)
		g.wasRight(w, len(want))
		return took
	}
	second, first := catchUp(false), catchUp(true)
	t.Logf("%v with the liar second, %v with it first", second.Round(time.Millisecond), first.Round(time.Millisecond))
	if first > second+bar {
		t.Errorf("the liar first takes more than %v longer", bar)
	}
}
