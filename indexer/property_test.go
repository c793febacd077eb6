package indexer_test

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// lying gives the chain with something changed in the answers for some blocks,
// beside a key that is unknown.
func lying(c *recorded.Chain, client string, which func(number uint64) bool, change func(block map[string]any)) *recorded.Chain {
	lies := *c
	lies.Client, lies.Blocks = client, slices.Clone(c.Blocks)
	for i := range lies.Blocks {
		if number := lies.Blocks[i].Number; number == 0 || !which(number) {
			continue
		}
		var block map[string]any
		if err := json.Unmarshal(lies.Blocks[i].Block, &block); err != nil {
			panic(err)
		}
		block["unknown"] = "0x1"
		change(block)
		raw, err := json.Marshal(block)
		if err != nil {
			panic(err)
		}
		lies.Blocks[i].Block = raw
	}
	return &lies
}

func everyBlock(uint64) bool      { return true }
func otherMiner(b map[string]any) { b["miner"] = "0x00000000000000000000000000000000000000aa" }

// What fails on all blocks is a property of the chain, unless the client's rules
// are known. What fails on some is wrong.
func TestProperty(t *testing.T) {
	const unknown, geth = "Unheard/v1", "Geth/v1.17.10-stable"
	for _, tt := range []struct {
		name   string
		client string
		which  func(uint64) bool
		change func(map[string]any)
		stored int // of 41
		exempt chain.Exemptions
	}{
		{"all blocks of an unknown client", unknown, everyBlock, otherMiner, 41, chain.Exemptions{{Check: chain.HeaderHash, From: 1}}},
		{"all blocks of a known client", geth, everyBlock, otherMiner, 1, nil},
		{"all blocks of a client that calls itself known", "Geth/v1.10.3-stable(quorum-v22.7.4)/linux-amd64", everyBlock, otherMiner, 41,
			chain.Exemptions{{Check: chain.HeaderHash, From: 1}}},
		{"every third", unknown, func(n uint64) bool { return n%3 == 0 }, otherMiner, 28, nil},
		{"from a fork on", unknown, func(n uint64) bool { return n >= 20 }, otherMiner, 41, chain.Exemptions{{Check: chain.HeaderHash, From: 20}}},
		{"two at the end", unknown, func(n uint64) bool { return n >= 39 }, otherMiner, 39, nil},
		{"a key that all lack", unknown, everyBlock, func(b map[string]any) { delete(b, "sha3Uncles") }, 41, chain.Exemptions{
			{Check: chain.HeaderHash, About: "without sha3Uncles", From: 1}, {Check: chain.UnclesHash, About: "without sha3Uncles", From: 1}}},
		{"null", unknown, everyBlock, func(b map[string]any) { b["sha3Uncles"] = nil }, 1, nil},
		{"an unknown type that contradicts the receipts", geth, everyBlock, func(b map[string]any) {
			b["transactions"].([]any)[0].(map[string]any)["type"] = "0x55"
		}, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, lying(devchain.Build(devchain.Spec{Blocks: 40, Transactions: 2, Logs: 1}), tt.client, tt.which, tt.change))
				b.start()
				after(30 * time.Minute)
				hashes, err := b.store.HashesBetween(t.Context(), 0, 40)
				b.must(err)
				exempt, err := b.store.Exemptions(t.Context())
				b.must(err)
				if len(hashes) != tt.stored || !slices.Equal(exempt, tt.exempt) {
					t.Errorf("%d stored, want %d; exempt are %v, want %v", len(hashes), tt.stored, exempt, tt.exempt)
				}
			})
		})
	}
}

// What was exempted before counts for nothing when something else comes up.
func TestTwoProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lying(devchain.Build(spec(40)), "Unheard/v1", everyBlock, func(b map[string]any) {
			otherMiner(b)
			if n := b["number"]; len(n.(string)) > 3 { // from block 16 on
				b["sha3Uncles"] = b["parentHash"]
			}
		})
		b := newBench(t, c)
		for number := uint64(1); number < 6; number++ {
			b.fake.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Times: 6}
		}
		b.recovered = func() { b.worker.RetryAll() }
		b.start()
		after(time.Hour)
		b.missing()
		exempt, err := b.store.Exemptions(t.Context())
		b.must(err)
		want := chain.Exemptions{{Check: chain.HeaderHash, From: 1}, {Check: chain.UnclesHash, From: 16}}
		if !slices.Equal(exempt, want) {
			t.Errorf("exempt are %+v, want %+v", exempt, want)
		}
	})
}

// Until a property is decided the blocks are missing, and then they come at once.
func TestPropertyAtTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lying(devchain.Build(spec(12)), "Unheard/v1", func(n uint64) bool { return n > 10 }, otherMiner)
		c13 := lying(devchain.Build(spec(13)), "Unheard/v1", func(n uint64) bool { return n > 10 }, otherMiner)
		b := newBench(t, c)
		b.recovered = func() { b.worker.RetryAll() }
		b.start()
		after(time.Hour)
		b.missing(11, 12)
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = c13, 13 })
		after(time.Minute)
		b.missing()
	})
}

func (b *bench) missing(numbers ...uint64) {
	b.t.Helper()
	rows, err := b.store.FailedFrom(b.t.Context(), 0, 100)
	b.must(err)
	var got []uint64
	for _, row := range rows {
		got = append(got, row.Number)
	}
	if !slices.Equal(got, numbers) {
		b.t.Errorf("missing are %v, want %v", got, numbers)
	}
}

// Blocks come in any order: those below the three that were first have the
// property too, but not those below one that passes.
func TestPropertyOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, lying(devchain.Build(spec(40)), "Unheard/v1", func(n uint64) bool { return n == 5 || n > 10 }, otherMiner))
		for number := uint64(1); number < 14; number++ {
			b.fake.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Times: 4}
		}
		b.recovered = func() { b.worker.RetryAll() }
		b.start()
		after(time.Hour)
		exempt, err := b.store.Exemptions(t.Context())
		b.must(err)
		if want := (chain.Exemptions{{Check: chain.HeaderHash, From: 11}}); !slices.Equal(exempt, want) {
			t.Errorf("exempt are %v, want %v", exempt, want)
		}
		b.missing(5)
	})
}
