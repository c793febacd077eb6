// Package busychain makes large files for benchmarks, in seconds: the blocks are
// linked and of usual shape, but no hash, root or signature in them is right.
package busychain

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// What is in each block but the first.
const (
	Transactions   = 5 // in a block
	Logs           = 2 // of a transaction
	busyPercent    = 15
	others         = 5000 // accounts and contracts
	together       = 1000 // blocks in a commit, as in catching up
	genesisTime    = 1_700_000_000
	secondsBetween = 12
)

// Busy is a contract that writes 15 of 100 logs, each a transfer of ERC-20.
var Busy = common.HexToAddress("0xb5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5")

var (
	transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	otherTopic    = crypto.Keccak256Hash([]byte("Approval(address,address,uint256)"))
)

// A Chain gives blocks, from block 0 on. Two of one seed give the same.
type Chain struct {
	random *rand.ChaCha8
	next   uint64
	parent common.Hash
}

// New begins a chain.
func New() *Chain { return &Chain{random: rand.NewChaCha8([32]byte{1})} }

// Write makes the chain's first blocks those of an empty file.
func (c *Chain) Write(ctx context.Context, s *store.Store, blocks int) error {
	genesis := c.Next()
	if err := s.Identify(ctx, store.Identity{ChainID: 1337, Genesis: genesis.Hash, Client: "busychain"}); err != nil {
		return err
	}
	if err := s.Commit(ctx, []store.Entry{{Block: genesis}}); err != nil {
		return err
	}
	for done := 1; done < blocks; done += together {
		if err := c.Add(ctx, s, min(together, blocks-done)); err != nil {
			return err
		}
	}
	return nil
}

// WriteOn adds blocks to the file as fast as it goes, until ctx ends.
func (c *Chain) WriteOn(ctx context.Context, s *store.Store) error {
	for ctx.Err() == nil {
		if err := c.Add(context.WithoutCancel(ctx), s, together); err != nil { // else the chain is past the file
			return err
		}
	}
	return nil
}

// Add adds blocks to the file, in one commit.
func (c *Chain) Add(ctx context.Context, s *store.Store, blocks int) error {
	entries := make([]store.Entry, blocks)
	for i := range entries {
		entries[i].Block = c.Next()
	}
	return s.Commit(ctx, entries)
}

// Next gives the block that follows.
func (c *Chain) Next() *chain.Block {
	b := new(chain.Block)
	b.Header = chain.Header{
		Number: c.next, Hash: c.hash(), ParentHash: c.parent, UnclesHash: c.hash(), StateRoot: c.hash(), TransactionsRoot: c.hash(),
		ReceiptsRoot: c.hash(), MixHash: c.hash(), GasLimit: 30_000_000, GasUsed: Transactions * 50_000,
		Timestamp: genesisTime + c.next*secondsBetween, BaseFeePerGas: uint256.NewInt(1_000_000_000), Size: new(uint64),
	}
	*b.Size = 2000
	b.Verdict.Passed = chain.QuickChecks
	if c.next > 0 {
		for i := range Transactions {
			b.Transactions = append(b.Transactions, c.transaction(i))
		}
	}
	c.next, c.parent = c.next+1, b.Hash
	return b
}

func (c *Chain) transaction(index int) chain.Transaction {
	to, input := c.account(), make([]byte, 68)
	_, _ = c.random.Read(input) // can't fail
	tx := chain.Transaction{
		Hash: c.hash(), Type: 2, From: c.account(), To: &to, Nonce: c.next, Gas: 100_000, GasPrice: uint256.NewInt(2_000_000_000),
		MaxFeePerGas: uint256.NewInt(3_000_000_000), MaxPriorityFeePerGas: uint256.NewInt(1_000_000_000),
		Input: input, ChainID: uint256.NewInt(1337), AccessList: []chain.AccessTuple{}, YParity: new(uint64),
	}
	r, s := c.hash(), c.hash()
	tx.R.SetBytes(r[:])
	tx.S.SetBytes(s[:])
	status := uint64(1)
	tx.Receipt = chain.Receipt{
		Status: &status, GasUsed: 50_000, CumulativeGasUsed: uint64(index+1) * 50_000, EffectiveGasPrice: uint256.NewInt(2_000_000_000),
	}
	for range Logs {
		tx.Receipt.Logs = append(tx.Receipt.Logs, c.log())
	}
	return tx
}

// log is a transfer of the busy contract, or in equal parts a transfer of
// another and something else.
func (c *Chain) log() chain.Log {
	l := chain.Log{Address: Busy, Topics: []common.Hash{transferTopic, c.topic(), c.topic()}, Data: make([]byte, 32)}
	binary.BigEndian.PutUint64(l.Data[24:], c.random.Uint64())
	if c.below(100) >= busyPercent {
		l.Address = c.account()
		if c.below(2) == 0 {
			l.Topics[0] = otherTopic
		}
	}
	return l
}

func (c *Chain) below(n uint64) uint64 { return c.random.Uint64() % n }

func (c *Chain) hash() (h common.Hash) {
	_, _ = c.random.Read(h[:]) // can't fail
	return h
}

// Account is an account or a contract that the chain has.
func Account(i uint64) (a common.Address) {
	hash := crypto.Keccak256(binary.BigEndian.AppendUint64(nil, i%others))
	copy(a[:], hash)
	return a
}

func (c *Chain) account() common.Address { return Account(c.below(others)) }

func (c *Chain) topic() common.Hash {
	a := c.account()
	return common.BytesToHash(a[:])
}
