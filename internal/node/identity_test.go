package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
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

func TestExpectAnyGenesis(t *testing.T) {
	fake := chainOf(3)
	n := inMemory(t, fake, near)
	n.Expect(1337, common.Hash{})
	results, err := n.Blocks(t.Context(), numbers(1, 3), 0)
	verified(t, results, err, 3)
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
