package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// However an answer is spoiled, what comes of it is an error, a block that does
// not verify, or the right block; and the other blocks are there.
func TestSpoiledAnswers(t *testing.T) {
	results, err := inMemory(t, chainOf(12), near).Blocks(t.Context(), numbers(0, 12), 0)
	verified(t, results, err, 13)
	for _, kind := range nodetest.Kinds() {
		for _, url := range []string{near, "ws://127.0.0.1:8545"} {
			t.Run(fmt.Sprint(kind, " ", url[:2]), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					seeds := 1
					if kind >= nodetest.FlippedDigit && kind <= nodetest.WrongType {
						seeds = 6
					}
					for seed := range seeds {
						fault := &nodetest.Fault{Kind: kind, Seed: seed}
						spoiled(t, url, fault, results)
						if fault.Used == 0 {
							t.Error("the fault was not used")
						}
					}
				})
			})
		}
	}
}

func spoiled(t *testing.T, url string, fault *nodetest.Fault, want []chain.Result) {
	fake := chainOf(12)
	fake.Do(func(n *nodetest.Node) { n.Faults[5] = fault })
	n, err := node.New(node.Options{URLs: []string{url}, Transport: fake})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	got, err := n.Blocks(t.Context(), numbers(0, 12), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if i != 5 && r.Err != nil && fault.Kind != nodetest.SwappedResults { // that takes two
			t.Errorf("block %d: %v", i, r.Err)
		}
		if r.Err != nil || !chain.Verify(r.Block, chain.AllChecks).Verified() {
			continue
		}
		if diff := cmp.Diff(answer(want[i].Block), answer(r.Block)); diff != "" {
			t.Errorf("seed %d: block %d differs and verifies (-want +got)\n%s", fault.Seed, i, diff)
		}
	}
	if fault.Kind == nodetest.PlainText && got[5].Err != nil {
		t.Error(got[5].Err)
	}
}

func answer(b *chain.Block) string {
	return string(b.AppendReceipts(b.AppendBlock(nil, true)))
}

// An answer that is spoiled once, in any way, is had by the next call.
func TestSpoiledOnce(t *testing.T) {
	for _, kind := range nodetest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(12)
				fake.Do(func(n *nodetest.Node) { n.Faults[5] = &nodetest.Fault{Kind: kind, Times: 1} })
				n := inMemory(t, fake, near)
				if _, err := n.Blocks(t.Context(), numbers(0, 12), 0); err != nil {
					t.Fatal(err)
				}
				results, err := n.Blocks(t.Context(), numbers(0, 12), 0)
				verified(t, results, err, 13)
			})
		})
	}
}

// One spoiled identity neither refuses an endpoint nor makes the chain another.
func TestSpoiledIdentity(t *testing.T) {
	for _, kind := range nodetest.Kinds() {
		for _, told := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " ", told), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fake := chainOf(3)
					fake.Do(func(n *nodetest.Node) { n.Faults[0] = &nodetest.Fault{Kind: kind, Times: 1} })
					n := inMemory(t, fake, near)
					genesis := fake.Chain.Blocks[0].Hash
					if told {
						n.Expect(1337, genesis)
					}
					results, err := n.Blocks(t.Context(), numbers(1, 3), 0)
					verified(t, results, err, 3)
					time.Sleep(time.Second)
					id, err := n.Identity(t.Context())
					if err != nil || id.ChainID != 1337 || id.Genesis == nil || id.Genesis.Hash != genesis {
						t.Errorf("%+v, %v", id, err)
					}
				})
			})
		}
	}
}
