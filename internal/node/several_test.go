package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
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

func TestFailoverOnEachFailure(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"down", func(n *nodetest.Node) { n.Down = true }},
		{"silent", func(n *nodetest.Node) { n.Every = fault(nodetest.Hang) }},
		{"page", func(n *nodetest.Node) { n.Every = fault(nodetest.HTML) }},
		{"401", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 401} }},
		{"429", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "30"} }},
		{"503", func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 503, RetryAfter: "30"} }},
	} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", known ", known), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair(t)
					if known {
						p.blocks(t, 1, 5)
					}
					set(p.a, tt.set)
					start := time.Now()
					verified(t, p.blocks(t, 1, 20), nil, 20)
					h, err := p.Head(t.Context())
					if err != nil || h.Number != 20 || p.leads() != 2 {
						t.Errorf("head %v, %v from %d", h, err, p.leads())
					}
					if took := time.Since(start); took > 10*time.Second {
						t.Errorf("took %s", took)
					}
				})
			})
		}
	}
}

// Both limit us: each pause is waited for, and nothing fails.
func TestBothEndpointsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		for _, n := range []*nodetest.Node{p.a, p.b} {
			set(n, func(n *nodetest.Node) {
				n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "5", Times: 3}
			})
		}
		verified(t, p.blocks(t, 1, 20), nil, 20)
		if _, err := p.Head(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReturnToTheFirst(t *testing.T) {
	for _, following := range []bool{false, true} {
		t.Run(fmt.Sprint("following ", following), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				if following {
					_, stop := follow(t, p.Node)
					defer stop()
					time.Sleep(5 * time.Second)
				}
				set(p.a, func(n *nodetest.Node) { n.Down = true })
				time.Sleep(5 * time.Second)
				p.blocks(t, 1, 3)
				if p.leads() != 2 {
					t.Fatalf("%d leads", p.leads())
				}
				set(p.a, func(n *nodetest.Node) { n.Down = false })
				time.Sleep(5 * time.Second)
				asked := whole(p.a, 2)
				verified(t, p.blocks(t, 1, 3), nil, 3)
				if p.leads() != 1 || whole(p.a, 2) != asked+1 {
					t.Errorf("%d leads", p.leads())
				}
			})
		})
	}
}

func anotherID(n *nodetest.Node) *recorded.Chain {
	other := *n.Chain
	other.ChainID = 5
	return &other
}

func anotherGenesis() *recorded.Chain {
	return devchain.Build(devchain.Spec{Blocks: 60, Transactions: 1, Logs: 1, Salt: "other"})
}

func TestAnotherChainIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		other      func(*nodetest.Node) *recorded.Chain
	}{
		{"id", "another chain: id 5, not 1337", anotherID},
		{"genesis", "another chain: genesis 0x", func(*nodetest.Node) *recorded.Chain { return anotherGenesis() }},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(tt.name, ", expected by the first ", first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair(t)
					good, bad, which := p.a, p.b, 1
					if !first { // the caller knows better than the first one
						p.Expect(1337, p.a.Chain.Blocks[0].Hash)
						good, bad, which = p.b, p.a, 0
					}
					right := bad.Chain
					set(bad, func(n *nodetest.Node) { n.Chain = tt.other(n) })
					set(good, func(n *nodetest.Node) { n.Faults[3] = fault(nodetest.RPCError) })
					for range 2 {
						results := p.blocks(t, 1, 9)
						if results[2].Err == nil {
							t.Error("a block of another chain")
						}
					}
					s := p.State()[which]
					if s.Up || s.Class != string(chain.EndpointRefuses) || !strings.Contains(s.Error, tt.want) {
						t.Errorf("state %+v", s)
					}
					if len(bad.AskedFor()) != 0 || strings.Count(p.log.String(), "another chain") != 1 {
						t.Errorf("asked for %v\n%s", bad.AskedFor(), &p.log)
					}
					id, err := p.Identity(t.Context())
					if err != nil || id.ChainID != 1337 || id.Genesis.Hash != good.Chain.Blocks[0].Hash {
						t.Errorf("identity %+v, %v", id, err)
					}
					set(bad, func(n *nodetest.Node) { n.Chain = right })
					time.Sleep(6 * time.Second)
					verified(t, p.blocks(t, 1, 9), nil, 9)
					if s := p.State()[which]; !s.Up || s.Error != "" {
						t.Errorf("state %+v", s)
					}
				})
			})
		}
	}
}

// A chain that takes the place of the only endpoint's while it is away.
func TestOnlyEndpointOnAnotherChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(9)
		ours := fake.Chain
		n := inMemory(t, fake, far)
		if _, err := n.Blocks(t.Context(), numbers(1, 9), 0); err != nil {
			t.Fatal(err)
		}
		away := func(back *recorded.Chain) {
			set(fake, func(n *nodetest.Node) { n.Down = true })
			if _, err := n.Head(t.Context()); chain.ClassOf(err) != chain.EndpointDown {
				t.Errorf("down: %v", err)
			}
			set(fake, func(n *nodetest.Node) { n.Down, n.Chain = false, back })
		}
		away(anotherID(fake))
		asked := fake.AskedFor()[1]
		_, err := n.Blocks(t.Context(), numbers(1, 9), 0)
		_, err2 := n.Identity(t.Context())
		if chain.ClassOf(err) != chain.EndpointRefuses || chain.ClassOf(err2) != chain.EndpointRefuses || fake.AskedFor()[1] != asked {
			t.Errorf("another id: %v, %v", err, err2)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if n.Await(ctx) == nil {
			t.Error("waited for another chain")
		}
		set(fake, func(n *nodetest.Node) { n.Chain = ours })
		start := time.Now()
		if err := n.Await(t.Context()); err != nil || time.Since(start) > 2*time.Minute {
			t.Errorf("not back after %s: %v", time.Since(start), err)
		}
		results, err := n.Blocks(t.Context(), numbers(1, 9), 0)
		verified(t, results, err, 9)

		n.Expect(1337, ours.Blocks[0].Hash)
		reset := anotherGenesis()
		away(reset)
		if _, err = n.Blocks(t.Context(), numbers(1, 9), 0); chain.ClassOf(err) != chain.EndpointRefuses {
			t.Errorf("another genesis: %v", err)
		}
		if err := n.Await(t.Context()); err != nil {
			t.Error(err)
		}
		id, err := n.Identity(t.Context())
		if err != nil || id.Genesis.Hash != reset.Blocks[0].Hash {
			t.Errorf("identity %+v, %v", id, err)
		}
		if _, err = n.Blocks(t.Context(), numbers(1, 9), 0); chain.ClassOf(err) != chain.EndpointRefuses {
			t.Errorf("another genesis: %v", err)
		}
		n.Expect(id.ChainID, id.Genesis.Hash) // the caller decides that this is a reset
		results, err = n.Blocks(t.Context(), numbers(1, 9), 0)
		verified(t, results, err, 9)
	})
}

// A caller who never said what to expect hears of the chain that is there.
func TestResetWithoutExpectation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(9)
		n := inMemory(t, fake, near)
		if _, err := n.Blocks(t.Context(), numbers(1, 9), 0); err != nil {
			t.Fatal(err)
		}
		reset := anotherGenesis()
		set(fake, func(n *nodetest.Node) { n.Chain = reset })
		id, err := n.Identity(t.Context())
		if err != nil || id.Genesis.Hash != reset.Blocks[0].Hash {
			t.Errorf("identity %+v, %v", id, err)
		}
		results, err := n.Blocks(t.Context(), numbers(1, 9), 0)
		verified(t, results, err, 9)
	})
}

func TestGenesisMayBeMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) { n.Faults[0] = fault(nodetest.NullBlock) })
		id, err := p.Identity(t.Context())
		if err != nil || id.ChainID != 1337 || id.Genesis != nil {
			t.Errorf("identity %+v, %v", id, err)
		}
		set(p.a, func(n *nodetest.Node) { n.Faults[3] = fault(nodetest.RPCError) })
		verified(t, p.blocks(t, 1, 9), nil, 9)
	})
}

// What the first endpoint fails to give in any way is had from the second, in
// the same call.
func TestBlockFromAnotherEndpoint(t *testing.T) {
	for _, f := range []nodetest.Fault{
		{Kind: nodetest.RPCError}, {Kind: nodetest.RPCError, Code: 4444}, {Kind: nodetest.RPCError, Code: -32003},
		{Kind: nodetest.NullBlock}, {Kind: nodetest.NullReceipts}, {Kind: nodetest.EmptyReceipts},
		{Kind: nodetest.RaceReceipts}, {Kind: nodetest.NoAnswer}, {Kind: nodetest.WrongID}, {Kind: nodetest.EmptyResult},
		{Kind: nodetest.Hang}, {Kind: nodetest.TruncatedBody}, {Kind: nodetest.HTML}, {Kind: nodetest.Reset},
	} {
		t.Run(fmt.Sprint(f.Kind, f.Code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				set(p.a, func(n *nodetest.Node) { n.Faults[7] = &f })
				verified(t, p.blocks(t, 1, 20), nil, 20)
				if whole(p.b, 7) != 1 || len(p.b.AskedFor()) != 1 {
					t.Errorf("the second one was asked for %v", p.b.AskedFor())
				}
			})
		})
	}
}

func TestFailedBlockIsAskedOfAnotherEndpointNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.blocks(t, 1, 3)
		set(p.a, func(n *nodetest.Node) { n.Faults[7] = fault(nodetest.RPCError) })
		set(p.b, func(n *nodetest.Node) { n.Down = true })
		if r := p.blocks(t, 6, 8); r[1].Err == nil || chain.ClassOf(r[1].Err) != chain.BlockError {
			t.Fatal(r[1].Err)
		}
		set(p.b, func(n *nodetest.Node) { n.Down = false })
		time.Sleep(2 * time.Second)
		asked := whole(p.a, 7)
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked || whole(p.b, 7) != 1 {
			t.Errorf("asked %d and %d times", whole(p.a, 7)-asked, whole(p.b, 7))
		}
		// It is forgotten on success.
		set(p.a, func(n *nodetest.Node) { clear(n.Faults) })
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked+1 {
			t.Error("the first one is not asked any more")
		}
		p.Reject(7)
		verified(t, p.blocks(t, 6, 8), nil, 3)
		if whole(p.a, 7) != asked+1 || whole(p.b, 7) != 2 {
			t.Error("a rejected block is asked of the one that gave it")
		}
	})
}

func TestEndpointBehindIsNotAskedForWhatItLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.b, func(n *nodetest.Node) { n.Head = 10 })
		_, stop := follow(t, p.Node)
		defer stop()
		time.Sleep(5 * time.Second)
		for _, number := range []uint64{9, 15} {
			set(p.a, func(n *nodetest.Node) { n.Faults[number] = fault(nodetest.RPCError) })
		}
		r := p.blocks(t, 8, 16)
		if r[1].Err != nil || r[7].Err == nil || whole(p.b, 9) != 1 || whole(p.b, 15) != 0 {
			t.Errorf("%v, %v, asked for %v", r[1].Err, r[7].Err, p.b.AskedFor())
		}
		if s := p.State(); s[0].Head != 20 || s[0].Behind || s[1].Head != 10 || !s[1].Behind {
			t.Errorf("state %+v", s)
		}
		set(p.b, func(n *nodetest.Node) { n.Head = 20 })
		time.Sleep(5 * time.Second)
		verified(t, p.blocks(t, 8, 16), nil, 9)
		if p.State()[1].Behind {
			t.Error("still behind")
		}
	})
}

func TestPrunedIsRememberedAndHadElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) { n.Lowest = 15 })
		set(p.b, func(n *nodetest.Node) { n.Lowest = 5 })
		for range 3 {
			results := p.blocks(t, 1, 20)
			verified(t, results[4:], nil, 16)
			for _, r := range results[:4] {
				if chain.ClassOf(r.Err) != chain.Pruned {
					t.Errorf("block %d: %v", r.Number, r.Err)
				}
			}
		}
		if s := p.State(); s[0].Lowest != 15 || s[1].Lowest != 5 {
			t.Errorf("state %+v", s)
		}
		calls := p.a.Count("eth_getBlockByNumber") + p.b.Count("eth_getBlockByNumber")
		p.blocks(t, 1, 4)
		if more := p.a.Count("eth_getBlockByNumber") + p.b.Count("eth_getBlockByNumber") - calls; more != 0 {
			t.Errorf("%d calls for what is pruned", more)
		}
		set(p.a, func(n *nodetest.Node) { n.Lowest = 0 }) // its history was brought back
		time.Sleep(11 * time.Minute)
		verified(t, p.blocks(t, 1, 20), nil, 20)
		if s := p.State(); s[0].Lowest != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// One odd answer does not make all below it pruned.
func TestOnePrunedBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(20)
		for _, number := range []uint64{10, 12} {
			set(fake, func(n *nodetest.Node) {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Code: 4444, Times: 1}
			})
		}
		n := inMemory(t, fake, near)
		if _, err := n.Blocks(t.Context(), numbers(1, 20), 0); err != nil {
			t.Fatal(err)
		}
		results, err := n.Blocks(t.Context(), numbers(0, 20), 0)
		verified(t, results, err, 21)
	})
}

func forkAt(number uint64) *recorded.Chain {
	return devchain.Build(devchain.Spec{Blocks: 60, Transactions: 1, Logs: 1, Fork: number, Salt: "fork"})
}

func (p *pair) disagreements(t *testing.T, endpoint string) (count float64) {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gapless_endpoint_disagreements_total" && m.GetLabel()[0].GetValue() == endpoint {
				count = m.GetCounter().GetValue()
			}
		}
	}
	return count
}

func TestBlockOfAnotherForkIsNotReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		set(p.a, func(n *nodetest.Node) {
			for _, number := range []uint64{5, 12, 13} {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.NullReceipts}
			}
		})
		set(p.b, func(n *nodetest.Node) { n.Chain = forkAt(10) })
		results := p.blocks(t, 1, 20)
		for _, r := range results {
			if want := r.Number != 12 && r.Number != 13; want != (r.Err == nil) {
				t.Errorf("block %d: %v", r.Number, r.Err)
			}
		}
		if got := p.disagreements(t, "127.0.0.1#2"); got != 2 || strings.Count(p.log.String(), "endpoints disagree") != 1 {
			t.Errorf("%v disagreements\n%s", got, &p.log)
		}
		if s := p.State()[1]; s.DisputedAt == 0 {
			t.Errorf("state %+v", s)
		}
		// With the first one away there is nothing to compare with.
		set(p.a, func(n *nodetest.Node) { n.Down = true })
		verified(t, p.blocks(t, 12, 13), nil, 2)
	})
}

// A leader whose header is not even one does not keep out the right block.
func TestWrongHeaderOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.blocks(t, 1, 2)
		set(p.a, func(n *nodetest.Node) { n.Faults[5] = fault(nodetest.WrongHash) })
		p.blocks(t, 5, 5)
		p.Reject(5)
		verified(t, p.blocks(t, 5, 5), nil, 1)
	})
}

func TestDisagreementIsNoticedWhileFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		w, stop := follow(t, p.Node)
		defer stop()
		set(p.b, func(n *nodetest.Node) { n.Chain = forkAt(10) })
		mine(p.a, time.Second, 30)
		mine(p.b, time.Second, 31)
		time.Sleep(5 * time.Second)
		if got := p.disagreements(t, "127.0.0.1#2"); got == 0 || strings.Count(p.log.String(), "endpoints disagree") != 1 {
			t.Errorf("%v disagreements\n%s", got, &p.log)
		}
		h, err := p.Head(t.Context())
		if err != nil || h.Hash != p.a.Chain.Block(30).Hash || p.leads() != 1 {
			t.Errorf("head %v, %v", h, err)
		}
		set(p.b, func(n *nodetest.Node) { n.Chain = p.a.Chain })
		mine(p.a, time.Second, 33)
		mine(p.b, time.Second, 34)
		time.Sleep(5 * time.Second)
		if p.State()[1].DisputedAt != 0 || !strings.Contains(p.log.String(), "endpoints agree again") {
			t.Errorf("state %+v\n%s", p.State()[1], &p.log)
		}
		if last := w.heads[len(w.heads)-1]; last != 33 {
			t.Errorf("heads %v", w.heads)
		}
	})
}

func TestLeaderThatFallsBehind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lag     uint64
		leads   int
		changes int // and back
	}{{"by two", 2, 1, 0}, {"by five", 5, 2, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				w, stop := follow(t, p.Node)
				defer stop()
				time.Sleep(5 * time.Second)
				for range 10 {
					set(p.b, func(n *nodetest.Node) { n.Head++ })
					set(p.a, func(n *nodetest.Node) { n.Head = p.b.Head - tt.lag })
					time.Sleep(time.Second)
				}
				synctest.Wait()
				if p.leads() != tt.leads {
					t.Errorf("%d leads: %+v", p.leads(), p.State())
				}
				set(p.a, func(n *nodetest.Node) { n.Head = 30 })
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if p.leads() != 1 || w.heads[len(w.heads)-1] != 30 {
					t.Errorf("%d leads, heads %v", p.leads(), w.heads)
				}
				if changes := strings.Count(p.log.String(), "another endpoint is followed"); changes != tt.changes {
					t.Errorf("%d changes\n%s", changes, &p.log)
				}
			})
		})
	}
}

// A single wrong head does not make the others be behind.
func TestOneWrongHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		_, stop := follow(t, p.Node)
		defer stop()
		time.Sleep(5 * time.Second)
		set(p.b, func(n *nodetest.Node) { n.Head = 60 })
		time.Sleep(time.Second)
		set(p.b, func(n *nodetest.Node) { n.Head = 20 })
		time.Sleep(5 * time.Second)
		if strings.Contains(p.log.String(), "behind") || p.leads() != 1 {
			t.Errorf("%d leads\n%s", p.leads(), &p.log)
		}
	})
}

func TestFollowMovesWithTheLeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"polling", func(n *nodetest.Node) { n.NoWebSocket = true }},
		{"subscribed", func(*nodetest.Node) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				set(p.a, tt.set)
				set(p.b, tt.set)
				w, stop := follow(t, p.Node)
				defer stop()
				both := func(head uint64) {
					t.Helper()
					set(p.a, func(n *nodetest.Node) { n.Head = head })
					set(p.b, func(n *nodetest.Node) { n.Head = head })
					time.Sleep(1500 * time.Millisecond)
					synctest.Wait()
					if w.heads[len(w.heads)-1] != head {
						t.Errorf("at %d: heads %v", head, w.heads)
					}
				}
				subscribed := func(which int) {
					t.Helper()
					time.Sleep(5 * time.Second)
					if s := p.State(); tt.name == "subscribed" && (!s[which].WebSocket || s[1-which].WebSocket) {
						t.Errorf("state %+v", s)
					}
				}
				subscribed(0)
				both(21)
				set(p.a, func(n *nodetest.Node) { n.Down = true })
				both(22)
				subscribed(1)
				both(23)
				set(p.a, func(n *nodetest.Node) { n.Down = false })
				subscribed(0)
				both(24)
				if p.leads() != 1 {
					t.Errorf("%d leads", p.leads())
				}
				set(p.b, func(n *nodetest.Node) { n.Down = true }) // of no matter
				both(25)
			})
		})
	}
}

func TestServiceUnavailableIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		set(fake, func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 503, RetryAfter: "11", Times: 1}
		})
		n := inMemory(t, fake, far)
		start := time.Now()
		results, err := n.Blocks(t.Context(), numbers(1, 3), 0)
		verified(t, results, err, 3)
		if took := time.Since(start); took < 11*time.Second || took > 13*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A pause that is too long to wait for is the caller's, and Await keeps it.
func TestAwaitKeepsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		set(fake, func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "600", Times: 1}
		})
		n := inMemory(t, fake, far)
		start := time.Now()
		if _, err := n.Blocks(t.Context(), numbers(1, 3), 0); chain.ClassOf(err) != chain.RateLimited {
			t.Fatal(err)
		}
		if s := n.State()[0]; s.PausedUntil.Sub(start).Round(time.Second) != 10*time.Minute {
			t.Errorf("state %+v", s)
		}
		if err := n.Await(t.Context()); err != nil || time.Since(start) < 10*time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		set(fake, func(n *nodetest.Node) {
			if n.Posts > 4 { // one, a probe, and who it is, twice
				t.Errorf("%d requests", n.Posts)
			}
		})
	})
}

func TestRateRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		n := inMemory(t, fake, far)
		for range 3 {
			set(fake, func(n *nodetest.Node) {
				n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "2", Times: 1}
			})
			if _, err := n.Blocks(t.Context(), numbers(1, 3), 0); err != nil {
				t.Fatal(err)
			}
		}
		low := n.State()[0].Rate
		time.Sleep(time.Minute)
		middle := n.State()[0].Rate
		time.Sleep(10 * time.Minute)
		if high := n.State()[0].Rate; low > 10 || middle <= low || middle >= 50 || high != 50 {
			t.Errorf("rates %v, %v, %v", low, middle, high)
		}
	})
}

func TestForkAndInstance(t *testing.T) {
	const secret = "https://mainnet.example.com/v3/0123456789abcdef"
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
		fork uint64
		id   string
	}{
		{"geth", func(n *nodetest.Node) { n.Client = "Geth/v1.17.10" }, 0, ""},
		{"anvil", func(n *nodetest.Node) { n.Client, n.InstanceID = "anvil/v1.7.1", "0x01" }, 0, "0x01"},
		{"forked anvil", func(n *nodetest.Node) { n.Client, n.Fork, n.ForkURL = "anvil/v1.7.1", 4, secret }, 4, ""},
		{"forked anvil without metadata", func(n *nodetest.Node) {
			n.Client, n.Fork, n.ForkURL, n.NoMetadata = "anvil/v0.2.0", 4, secret, true
		}, 4, ""},
		{"hardhat", func(n *nodetest.Node) { n.Client, n.InstanceID = "HardhatNetwork/2.29.1", "0x02" }, 0, "0x02"},
		{"forked hardhat", func(n *nodetest.Node) { n.Client, n.Fork = "HardhatNetwork/2.29.1", 4 }, 4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := chainOf(9)
			set(fake, tt.set)
			registry := prometheus.NewRegistry()
			var log log
			n := open(t, node.Options{URLs: []string{near}, Transport: fake, Metrics: registry,
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			f, err := n.Fork(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.fork == 0 && f != nil:
				t.Errorf("fork %+v", f)
			case tt.fork != 0 && (f == nil || *f != node.Fork{Block: tt.fork, Hash: fake.Chain.Block(tt.fork).Hash}):
				t.Errorf("fork %+v", f)
			}
			if id, err := n.InstanceID(t.Context()); err != nil || id != tt.id {
				t.Errorf("instance %q, %v", id, err)
			}
			count, err := testutil.GatherAndCount(registry)
			if err != nil || count == 0 || strings.Contains(log.String()+fmt.Sprint(n.State(), f), "example.com") {
				t.Errorf("%s\n%+v, %v", &log, n.State(), err)
			}
		})
	}
}

func TestExpectAnyGenesis(t *testing.T) {
	fake := chainOf(3)
	n := inMemory(t, fake, near)
	n.Expect(1337, common.Hash{})
	results, err := n.Blocks(t.Context(), numbers(1, 3), 0)
	verified(t, results, err, 3)
}
