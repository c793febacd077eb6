package simulation

import (
	"crypto/ecdsa"
	"encoding/binary"
	"math/big"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/node/devchain"
	"gapless/internal/node/recorded"
)

const chainID = 1337

// A link is a block of a chain, and what its child follows from.
type link struct {
	raw    recorded.Block
	header *types.Header
	nonce  uint64 // of the next transaction
}

// A builder makes blocks that differ from all others that it made.
type builder struct {
	rng    *rand.Rand
	key    *ecdsa.PrivateKey
	signer types.Signer
	made   uint64
}

func newBuilder(rng *rand.Rand) *builder {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("gapless simulation")))
	if err != nil {
		panic(err)
	}
	return &builder{rng: rng, key: key, signer: types.LatestSignerForChainID(big.NewInt(chainID))}
}

// child makes a block on a parent, or a genesis on nil.
func (b *builder) child(parent *link) *link {
	b.made++
	l := &link{header: &types.Header{
		Number: new(big.Int), Root: b.unique("state"), Difficulty: new(big.Int), GasLimit: 30_000_000,
		Time: 1_700_000_000, MixDigest: b.unique("mix"), BaseFee: big.NewInt(1000),
		BlobGasUsed: new(uint64), ExcessBlobGas: new(uint64), ParentBeaconRoot: new(common.Hash),
		RequestsHash: &types.EmptyRequestsHash,
	}}
	body := &types.Body{Withdrawals: types.Withdrawals{}}
	if parent != nil {
		l.header.Number = new(big.Int).Add(parent.header.Number, big.NewInt(1))
		l.header.ParentHash, l.header.Time = parent.raw.Hash, parent.header.Time+2
		l.nonce = parent.nonce
		for range b.rng.IntN(4) {
			body.Transactions = append(body.Transactions, b.transaction(l.nonce))
			l.nonce++
		}
		for i := range b.rng.IntN(2) {
			body.Withdrawals = append(body.Withdrawals, &types.Withdrawal{Index: b.made<<4 + uint64(i), Validator: 7, Amount: 1000})
		}
	}
	receipts := b.receipts(body.Transactions)
	l.header.GasUsed = uint64(len(receipts)) * gasUsed
	block := types.NewBlock(l.header, body, receipts, devchain.NewListRoot())
	place(block, receipts)
	l.header = block.Header()
	raw, err := devchain.Marshal(block, receipts, big.NewInt(chainID))
	if err != nil {
		panic(err)
	}
	l.raw = raw
	return l
}

func (b *builder) unique(what string) common.Hash {
	return crypto.Keccak256Hash([]byte(what), binary.BigEndian.AppendUint64(nil, b.made), binary.BigEndian.AppendUint64(nil, b.rng.Uint64()))
}

const gasUsed = 50_000

func (b *builder) transaction(nonce uint64) *types.Transaction {
	to := common.BytesToAddress(b.unique("to").Bytes())
	var data types.TxData = &types.DynamicFeeTx{ChainID: big.NewInt(chainID), Nonce: nonce, To: &to, Gas: gasUsed,
		GasFeeCap: big.NewInt(2000), GasTipCap: big.NewInt(1), Value: big.NewInt(3)}
	if nonce%2 == 0 {
		data = &types.LegacyTx{Nonce: nonce, To: &to, Gas: gasUsed, GasPrice: big.NewInt(2000), Value: big.NewInt(1)}
	}
	return types.MustSignNewTx(b.key, b.signer, data)
}

func (b *builder) receipts(txs types.Transactions) (receipts types.Receipts) {
	topic := crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	for i, tx := range txs {
		price := big.NewInt(2000)
		if tx.Type() == types.DynamicFeeTxType {
			price = big.NewInt(1001)
		}
		r := &types.Receipt{Type: tx.Type(), Status: min(1, b.rng.Uint64N(5)), TxHash: tx.Hash(), GasUsed: gasUsed,
			CumulativeGasUsed: uint64(i+1) * gasUsed, EffectiveGasPrice: price}
		for range b.rng.Uint64N(3) * r.Status {
			r.Logs = append(r.Logs, &types.Log{Address: common.Address{0x70}, Topics: []common.Hash{topic, {31: 1}, {31: 2}},
				Data: common.BigToHash(big.NewInt(9)).Bytes()})
		}
		r.Bloom = types.CreateBloom(r)
		receipts = append(receipts, r)
	}
	return receipts
}

// place sets what logs repeat of their block.
func place(block *types.Block, receipts types.Receipts) {
	index := uint(0)
	for i, r := range receipts {
		for _, log := range r.Logs {
			log.BlockNumber, log.BlockHash, log.BlockTimestamp = block.NumberU64(), block.Hash(), block.Time()
			log.TxHash, log.TxIndex, log.Index = r.TxHash, uint(i), index
			index++
		}
	}
}
