package main

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// A block is block n while it is made.
type block struct {
	*core.BlockGen
	config *params.ChainConfig
	n      uint64
	seq    int // number of the next transaction in the chain
	blobs  int // that its transactions name so far
}

// setHeader sets what is free in the header.
func (b *block) setHeader() {
	extra := [][]byte{nil, fill(32, "extra %d", b.n), []byte("gapless"), []byte("\x00\xff\xc3\x28")}
	b.SetExtra(extra[b.n%4])
	if b.n < paris {
		b.OffsetTime(int64(interval(b.n)) - 10)
		b.SetNonce(types.EncodeNonce(b.n << 40))
	}
	if b.n >= cancun {
		b.SetParentBeaconRoot(plain(0xbe, b.n))
	}
	miner := named("miner %d", b.n%5)
	if b.n%5 == 0 {
		miner = common.Address{}
	}
	b.SetCoinbase(miner)
}

// addUncles gives an uncle to one block of 31, and some of those a second,
// older one.
func (b *block) addUncles() {
	if b.n%31 != 5 {
		return
	}
	b.addUncle(b.n - 1)
	if b.n%4 == 0 {
		b.addUncle(b.n - 2)
	}
}

// addUncle adds a sibling of the block with that number.
func (b *block) addUncle(number uint64) {
	parent := b.PrevBlock(int(number) - 2) // block 1 has index 0
	b.AddUncle(&types.Header{
		ParentHash:  parent.Hash(),
		Number:      new(big.Int).SetUint64(number),
		UncleHash:   types.EmptyUncleHash,
		TxHash:      types.EmptyTxsHash,
		ReceiptHash: types.EmptyReceiptsHash,
		Coinbase:    named("miner of uncle %d", number%3),
		Root:        noise("state of uncle %d", number),
		MixDigest:   plain(0xa2, number),
		Nonce:       types.EncodeNonce(number),
		Extra:       []byte("uncle"),
	})
}

// addWithdrawals adds none to three withdrawals, and 16 to one block of ten.
func (b *block) addWithdrawals() {
	count := b.n % 4
	if b.n%10 == 7 {
		count = 16
	}
	for i := range count {
		b.AddWithdrawal(&types.Withdrawal{
			Validator: 500_000 + (b.n+i)%701,
			Address:   holder(int(b.n + i)),
			Amount:    b.n * i * 7919, // gwei: the first gets nothing
		})
	}
}

// blobsLeft returns how many more blobs b may name.
func (b *block) blobsLeft() int {
	return eip4844.MaxBlobsPerBlock(b.config, b.Timestamp()) - b.blobs
}

// gasPrice returns a price in wei that the base fee does not reach.
func (b *block) gasPrice() *big.Int {
	return big.NewInt(int64(10+b.seq%40) * params.GWei)
}

// tip returns the priority fee per gas in wei: none, one or two gwei.
func (b *block) tip() *big.Int {
	return big.NewInt(int64(b.seq%3) * params.GWei)
}

// feeCap returns the most that a transaction pays per gas, in wei. For one in
// four this is too little for the whole tip.
func (b *block) feeCap() *big.Int {
	if b.seq%4 > 0 {
		return big.NewInt(50 * params.GWei)
	}
	if tip := b.tip(); tip.Cmp(b.BaseFee()) > 0 {
		return tip
	}
	return b.BaseFee()
}
