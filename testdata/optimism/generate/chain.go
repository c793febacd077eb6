package main

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// A chain is all that was made: its genesis, and the blocks from 1 on.
type chain struct {
	genesis *core.Genesis
	blocks  []*types.Block
}

// makeChain makes the chain of a genesis, always the same one.
func makeChain(g *core.Genesis, blocks int) *chain {
	s := &script{config: g.Config}
	_, made, _ := core.GenerateChainWithGenesis(g, beacon.New(ethash.NewFaker()), blocks, s.play)
	return &chain{g, made}
}

// A script fills the blocks, in order.
type script struct {
	config             *params.ChainConfig
	deposits, requests int // made so far
}

// play fills block i+1: the chain maker counts from zero.
func (s *script) play(i int, g *core.BlockGen) {
	n, time, c := uint64(i)+1, g.Timestamp(), s.config
	parentTime := time - spacing
	g.SetPoS()
	g.SetCoinbase(feeVault)
	if c.IsHolocene(time) {
		minBaseFee := uint64(1)
		g.SetExtra(eip1559.EncodeOptimismExtraData(c, time, 250, 6, &minBaseFee))
	}
	if c.IsEcotone(time) {
		g.SetParentBeaconRoot(originOf(n).hash)
	}
	g.AddTx(types.NewTx(attributes(c, n, time, parentTime)))
	if n%6 == 5 {
		return // no more than it must have
	}
	for range 1 + n%3 {
		g.AddTx(s.deposit(originOf(n).hash))
	}
	if c.IsEcotone(time) != c.IsEcotone(parentTime) || c.IsIsthmus(time) != c.IsIsthmus(parentTime) ||
		c.IsJovian(time) != c.IsJovian(parentTime) {
		return // the first block of such a fork has only deposits
	}
	for range 2 + n%2 {
		g.AddTx(s.request(g, c.IsIsthmus(time)))
	}
}

// deposit gives the next of the deposits that users make.
func (s *script) deposit(origin common.Hash) *types.Transaction {
	index := common.Hash{}
	binary.BigEndian.PutUint64(index[24:], uint64(s.deposits))
	tx := &types.DepositTx{
		SourceHash: sourceHash(0, crypto.Keccak256Hash(origin[:], index[:])),
		From:       aliased[s.deposits%len(aliased)], Gas: 120_000, Value: new(big.Int),
	}
	depositKinds[s.deposits%len(depositKinds)](tx)
	s.deposits++
	return types.NewTx(tx)
}

// request gives the next of the transactions that users sign.
func (s *script) request(g *core.BlockGen, isthmus bool) *types.Transaction {
	user := users[s.requests%len(users)]
	c := calls[s.requests%len(calls)]
	wraps := envelopes
	if isthmus {
		wraps = append(wraps[:len(wraps):len(wraps)], setCode)
	}
	r := request{user: user, nonce: g.TxNonce(user.address), call: c, signer: g.Signer()}
	tx := wraps[s.requests%len(wraps)](r)
	s.requests++
	return tx
}
