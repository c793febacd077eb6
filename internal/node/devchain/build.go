// Package devchain makes chains for tests: deterministic, with right roots,
// hashes and signatures, answered for as geth would. It is apart from nodetest,
// which is also in the program, because go-ethereum's types are large.
package devchain

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/node/recorded"
)

// A Spec says what chain to build. The same Spec gives the same chain, and one
// with more Blocks begins with it.
type Spec struct {
	Blocks       int    // above genesis
	Transactions int    // in each block but the genesis
	Logs         int    // of each transaction
	Uncles       int    // each block whose number is a multiple has one; 0: none
	ChainID      uint64 // 0: 1337
	Period       uint64 // seconds between blocks; 0: 12
	Huge         bool   // transfers have amounts around the ends of what engines have: 2^256-1, 10^38, 2^128

	// Large, if it has a From, is what blocks from that number on have in them.
	Large struct {
		From         uint64
		Transactions int
		Logs         int // of each transaction
		Input        int // bytes that each transaction has more
	}

	// Fork is the first number of which Salt makes another block, so that two
	// Specs that differ in Salt alone share the blocks below it. A Salt with
	// Fork 0 gives another genesis.
	Fork uint64
	Salt string
}

// Client is the client version that built chains tell.
const Client = "Geth/v1.17.10-nodetest/linux-amd64/go1.26"

const (
	gasPerTransaction = 50_000
	initialTime       = 1_700_000_000 // unix seconds
)

var baseFee = big.NewInt(1_000_000_000) // wei

// Build builds a chain from genesis on. It panics on what only a mistake in
// this package can cause.
func Build(s Spec) *recorded.Chain {
	b := newBuilder(s)
	c := &recorded.Chain{ChainID: b.chainID.Uint64(), Client: Client}
	for number := range uint64(s.Blocks) + 1 {
		block, receipts := b.next(number)
		raw, err := Marshal(block, receipts, b.chainID)
		if err != nil {
			panic(err)
		}
		c.Blocks = append(c.Blocks, raw)
	}
	return c
}

// A builder holds what the next block follows from.
type builder struct {
	spec    Spec
	chainID *big.Int
	signer  types.Signer
	key     *ecdsa.PrivateKey
	nonce   uint64
	input   []byte           // after each transaction's own
	parents [3]*types.Header // the last ones, the newest first
}

func newBuilder(s Spec) *builder {
	if s.ChainID == 0 {
		s.ChainID = 1337
	}
	if s.Period == 0 {
		s.Period = 12
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("gapless devchain")))
	if err != nil {
		panic(err)
	}
	id := new(big.Int).SetUint64(s.ChainID)
	return &builder{spec: s, chainID: id, signer: types.LatestSignerForChainID(id), key: key}
}

// next builds the block that follows.
func (b *builder) next(number uint64) (*types.Block, types.Receipts) {
	body := &types.Body{Uncles: b.uncles(number), Withdrawals: b.withdrawals(number)}
	if number > 0 {
		if large := b.spec.Large; large.From > 0 && number >= large.From {
			b.spec.Transactions, b.spec.Logs = large.Transactions, large.Logs
			b.input = bytes.Repeat([]byte{0xab}, large.Input)
		}
		for i := range b.spec.Transactions {
			body.Transactions = append(body.Transactions, b.transaction(number, i))
		}
	}
	receipts := b.receipts(number, body.Transactions)
	block := types.NewBlock(b.header(number, len(receipts)), body, receipts, NewListRoot())
	b.derive(block, receipts)
	b.parents = [3]*types.Header{block.Header(), b.parents[0], b.parents[1]}
	return block, receipts
}

// seed gives bytes that are the same for the same place in the same chain.
func (b *builder) seed(what string, number uint64, i int) common.Hash {
	salt := ""
	if number >= b.spec.Fork {
		salt = b.spec.Salt
	}
	place := binary.BigEndian.AppendUint64(nil, number)
	place = binary.BigEndian.AppendUint64(place, uint64(i))
	return crypto.Keccak256Hash([]byte(what), place, []byte(salt))
}

func (b *builder) header(number uint64, transactions int) *types.Header {
	h := &types.Header{
		Number:           new(big.Int).SetUint64(number),
		Root:             b.seed("state", number, 0),
		Coinbase:         common.BytesToAddress([]byte{0xc0}),
		Difficulty:       new(big.Int),
		GasLimit:         30_000_000,
		GasUsed:          uint64(transactions) * gasPerTransaction,
		Time:             initialTime + number*b.spec.Period,
		MixDigest:        b.seed("random", number, 0),
		BaseFee:          baseFee,
		BlobGasUsed:      new(uint64),
		ExcessBlobGas:    new(uint64),
		ParentBeaconRoot: new(common.Hash),
		RequestsHash:     &types.EmptyRequestsHash,
	}
	if b.parents[0] != nil {
		h.ParentHash = b.parents[0].Hash()
	}
	return h
}

// uncles gives a sibling of the parent where the Spec wants one.
func (b *builder) uncles(number uint64) []*types.Header {
	if b.spec.Uncles == 0 || number < 2 || number%uint64(b.spec.Uncles) != 0 {
		return nil
	}
	uncle := types.CopyHeader(b.parents[0])
	uncle.Extra = []byte("uncle")
	return []*types.Header{uncle}
}

func (b *builder) withdrawals(number uint64) types.Withdrawals {
	if number%2 == 0 {
		return types.Withdrawals{}
	}
	return types.Withdrawals{{Index: number, Validator: 7, Address: common.BytesToAddress([]byte{0xaa}), Amount: number}}
}

// transaction makes one of types 0, 1 and 2 in turn.
func (b *builder) transaction(number uint64, i int) *types.Transaction {
	to := common.BytesToAddress(b.seed("to", number, i).Bytes())
	price := new(big.Int).Mul(baseFee, big.NewInt(2))
	var data types.TxData
	switch b.nonce % 3 {
	case 0:
		data = &types.LegacyTx{Nonce: b.nonce, Data: b.input, To: &to, Gas: gasPerTransaction, GasPrice: price, Value: big.NewInt(int64(i))}
	case 1:
		data = &types.AccessListTx{ChainID: b.chainID, Nonce: b.nonce, Data: b.input, To: &to, Gas: gasPerTransaction, GasPrice: price,
			Value: big.NewInt(1), AccessList: types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}}}}}
	case 2:
		data = &types.DynamicFeeTx{ChainID: b.chainID, Nonce: b.nonce, To: &to, Gas: gasPerTransaction, GasFeeCap: price,
			GasTipCap: big.NewInt(1), Value: new(big.Int), Data: append([]byte{1, 2, 3}, b.input...)}
	}
	b.nonce++
	return types.MustSignNewTx(b.key, b.signer, data)
}

var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

// receipts makes receipts whose logs are transfers of an ERC-20 token.
func (b *builder) receipts(number uint64, transactions types.Transactions) types.Receipts {
	receipts := make(types.Receipts, len(transactions))
	for i, tx := range transactions {
		r := &types.Receipt{Type: tx.Type(), Status: types.ReceiptStatusSuccessful, TxHash: tx.Hash(),
			GasUsed: gasPerTransaction, CumulativeGasUsed: uint64(i+1) * gasPerTransaction,
			EffectiveGasPrice: pricePaid(tx, baseFee)}
		for j := range b.spec.Logs {
			from, to := b.seed("from", number, j), b.seed("to", number, j)
			clear(from[:12])
			clear(to[:12])
			r.Logs = append(r.Logs, &types.Log{
				Address: common.BytesToAddress([]byte{0x70}),
				Topics:  []common.Hash{transferTopic, from, to},
				Data:    common.BigToHash(b.amount(number, j)).Bytes(),
			})
		}
		r.Bloom = types.CreateBloom(r)
		receipts[i] = r
	}
	return receipts
}

// amount is that of a transfer.
func (b *builder) amount(number uint64, log int) *big.Int {
	if !b.spec.Huge {
		return big.NewInt(int64(log + 1))
	}
	one := big.NewInt(1)
	switch number % 5 {
	case 0:
		return new(big.Int).Sub(new(big.Int).Lsh(one, 256), one)
	case 1:
		return new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	case 2:
		return new(big.Int).Lsh(one, 128)
	case 3:
		return new(big.Int).Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil), one)
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(52), nil)
}

// derive sets what receipts and logs repeat of their block.
func (b *builder) derive(block *types.Block, receipts types.Receipts) {
	index := uint(0)
	for i, r := range receipts {
		for _, log := range r.Logs {
			log.BlockNumber, log.BlockHash, log.BlockTimestamp = block.NumberU64(), block.Hash(), block.Time()
			log.TxHash, log.TxIndex, log.Index = r.TxHash, uint(i), index
			index++
		}
	}
	if b.parents[0] != nil && block.ParentHash() != b.parents[0].Hash() {
		panic(fmt.Sprintf("devchain: block %d does not follow", block.NumberU64()))
	}
}
