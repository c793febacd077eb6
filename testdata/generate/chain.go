package main

import (
	"math/big"

	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
)

// A chain is all that was made: blocks[n] is block n, and receipts[n] are its
// receipts.
type chain struct {
	genesis  *core.Genesis
	blocks   []*types.Block
	receipts []types.Receipts
}

// makeChain makes the chain, always the same one.
func makeChain() *chain {
	c := &chain{genesis: genesis()}
	s := &script{config: c.genesis.Config}
	engine := mixer{beacon.New(ethash.NewFaker())}

	_, blocks, receipts := core.GenerateChainWithGenesis(c.genesis, engine, last, s.play)
	c.blocks = append([]*types.Block{c.genesis.ToBlock()}, blocks...)
	c.receipts = append([]types.Receipts{nil}, receipts...)

	// Nothing above depends on it, and only now is it known.
	ttd := new(big.Int)
	for _, b := range c.blocks {
		ttd.Add(ttd, b.Difficulty())
	}
	c.genesis.Config.TerminalTotalDifficulty = ttd
	return c
}

// A mixer gives every block a mix hash, which the chain maker leaves zero. No
// contract of this chain reads it, so it may come after the transactions.
type mixer struct{ consensus.Engine }

func (m mixer) Finalize(headers consensus.ChainHeaderReader, header *types.Header, state vm.StateDB, body *types.Body) {
	header.MixDigest = plain(0xa1, header.Number.Uint64())
	m.Engine.Finalize(headers, header, state, body)
}

const (
	fullBlock    = 1010 // a block with fullBlockTxs transactions
	fullBlockTxs = 200
)

// quiet reports whether block n has no transactions.
func quiet(n uint64) bool {
	for _, run := range [][2]uint64{{30, 40}, {820, 870}, {950, 990}, {1500, 1530}} {
		if run[0] <= n && n < run[1] {
			return true
		}
	}
	return n%16 == 0
}

// A script fills the blocks, in order.
type script struct {
	config *params.ChainConfig
	seq    int // transactions so far
}

// play fills block i+1: the chain maker counts from zero.
func (s *script) play(i int, g *core.BlockGen) {
	b := &block{BlockGen: g, config: s.config, n: uint64(i) + 1}
	b.setHeader()
	if b.n < paris {
		b.addUncles()
	}
	if b.n >= shanghai {
		b.addWithdrawals()
	}
	if !quiet(b.n) {
		s.transact(b)
	}
}

// transact fills b with calls of every kind in transactions of every type.
func (s *script) transact(b *block) {
	count := 1 + int(b.n%6)
	if b.n == fullBlock {
		count = fullBlockTxs
	}
	for range count {
		s.act(b, actions[:])
	}
	if b.n >= prague && b.n%5 == 0 {
		s.act(b, requests)
	}
	if b.n >= amsterdam && b.n%7 == 0 {
		s.act(b, builderRequests)
	}
	if b.n >= london && b.n/32%4 == 1 { // the base fee rises
		s.send(b, dynamicFee, call{to: &burner, gas: 15_000_000})
	}
	if b.n >= cancun+10 && b.n < cancun+50 { // the blob fee rises
		s.send(b, withAllBlobs, call{to: new(holder(s.seq)), gas: defaultGas})
	}
}

// act sends the next of the actions, in the next type of transaction that
// there is at b.
func (s *script) act(b *block, actions []action) {
	c := actions[s.seq%len(actions)](s.seq)
	if c.gas == 0 {
		c.gas = defaultGas
	}
	if b.n >= amsterdam {
		c.gas *= 8 // new state costs so much more there (EIP-8037)
	}
	wraps := envelopes(b.n)
	s.send(b, wraps[s.seq%len(wraps)], c)
}

// send adds one transaction to b.
func (s *script) send(b *block, wrap envelope, c call) {
	b.seq = s.seq
	b.AddTx(wrap(b, sender(s.seq%senders), c))
	s.seq++
}
