package jsonrpc

import (
	"errors"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// A blobSchedule has the parameters of blobs that a fork sets (EIP-4844,
// EIP-7840, EIP-7892).
type blobSchedule struct {
	target, most uint64 // blobs in a block
	fraction     uint64 // of the base fee's update
}

// The schedules of Ethereum. Which one holds, the chain's configuration says,
// which is not in the file; of a chain that is not a public one, a block's fields
// say only between which forks it is.
var (
	blobCancun = []blobSchedule{{3, 6, 3338477}}
	blobPrague = []blobSchedule{{6, 9, 5007716}, {10, 15, 8346193}, {14, 21, 11684671}} // and Osaka; BPO1; BPO2
)

// blobSchedules are those that may hold for a block.
type blobSchedules []blobSchedule

var errBlobFee = &Error{Code: codeUnsupported,
	Message: "the blob fee is not known: it takes the chain's blob schedule, which is not in the file"}

// blobSchedules gives the schedules by which the prices that the block's
// receipts tell come out.
func (v *view) blobSchedules(b *chain.Block) (blobSchedules, error) {
	genesis, err := v.Genesis()
	if err != nil {
		return nil, err
	}
	if s, ok := publicSchedule(genesis, b.Timestamp); ok {
		return blobSchedules{s}, nil
	}
	all := blobPrague
	if b.RequestsHash == nil {
		all = blobCancun
	}
	held := slices.Clone(all)
	for i := range b.Transactions {
		price := b.Transactions[i].Receipt.BlobGasPrice
		if price == nil || len(b.Transactions[i].BlobVersionedHashes) == 0 {
			continue
		}
		held = slices.DeleteFunc(held, func(s blobSchedule) bool { return !s.price(*b.ExcessBlobGas).Eq(price) })
	}
	if len(held) == 0 {
		return nil, errBlobFee
	}
	return held, nil
}

// publicChains are those whose configuration go-ethereum has.
var publicChains = map[common.Hash]*params.ChainConfig{
	params.MainnetGenesisHash: params.MainnetChainConfig,
	params.SepoliaGenesisHash: params.SepoliaChainConfig,
	params.HoodiGenesisHash:   params.HoodiChainConfig,
}

// publicSchedule gives the schedule of a public chain at a time.
func publicSchedule(genesis common.Hash, at uint64) (blobSchedule, bool) {
	c := publicChains[genesis]
	if c == nil || c.BlobScheduleConfig == nil {
		return blobSchedule{}, false
	}
	for _, fork := range []struct {
		time     *uint64
		schedule *params.BlobConfig
	}{
		{c.BPO5Time, c.BlobScheduleConfig.BPO5}, {c.BPO4Time, c.BlobScheduleConfig.BPO4}, {c.BPO3Time, c.BlobScheduleConfig.BPO3},
		{c.BPO2Time, c.BlobScheduleConfig.BPO2}, {c.BPO1Time, c.BlobScheduleConfig.BPO1},
		{c.PragueTime, c.BlobScheduleConfig.Prague}, {c.CancunTime, c.BlobScheduleConfig.Cancun},
	} {
		if s := fork.schedule; s != nil && fork.time != nil && *fork.time <= at {
			return blobSchedule{uint64(s.Target), uint64(s.Max), s.UpdateFraction}, true
		}
	}
	return blobSchedule{}, false
}

// price is the base fee per blob gas at an excess (EIP-4844).
func (s blobSchedule) price(excess uint64) *uint256.Int {
	sum, term := new(big.Int), new(big.Int).SetUint64(s.fraction)
	numerator, denominator := new(big.Int).SetUint64(excess), new(big.Int).SetUint64(s.fraction)
	for i := int64(1); term.Sign() > 0 && sum.BitLen() < 256; i++ {
		sum.Add(sum, term)
		term.Mul(term, numerator)
		term.Div(term, denominator)
		term.Div(term, big.NewInt(i))
	}
	price, _ := uint256.FromBig(sum.Div(sum, denominator))
	return price
}

// excessAfter is the excess of the block after one (EIP-4844, and from Osaka on
// EIP-7918).
func (s blobSchedule) excessAfter(b *chain.Header, osaka bool) uint64 {
	excess, used := *b.ExcessBlobGas, uint64(0)
	if b.BlobGasUsed != nil {
		used = *b.BlobGasUsed
	}
	target := s.target * params.BlobTxBlobGasPerBlob
	if excess+used < target {
		return 0
	}
	if osaka && b.BaseFeePerGas != nil {
		reserve := new(uint256.Int).Mul(uint256.NewInt(params.BlobBaseCost), b.BaseFeePerGas)
		price := s.price(excess)
		if reserve.Gt(price.Mul(price, uint256.NewInt(params.BlobTxBlobGasPerBlob))) {
			return excess + used*(s.most-s.target)/s.most
		}
	}
	return excess + used - target
}

// agreed gives what all schedules say, or an error.
func agreed[T any](all blobSchedules, say func(blobSchedule) T, same func(a, b T) bool) (T, error) {
	first := say(all[0])
	for _, s := range all[1:] {
		if !same(first, say(s)) {
			var none T
			return none, errBlobFee
		}
	}
	return first, nil
}

// baseFee is the block's base fee per blob gas.
func (all blobSchedules) baseFee(b *chain.Block) (*uint256.Int, error) {
	return agreed(all, func(s blobSchedule) *uint256.Int { return s.price(*b.ExcessBlobGas) }, (*uint256.Int).Eq)
}

// blobFee gives a block's base fee per blob gas, and how full of blobs it was:
// zeros before EIP-4844.
func (v *view) blobFee(b *chain.Block) (fee *uint256.Int, used float64, err error) {
	if b.ExcessBlobGas == nil {
		return new(uint256.Int), 0, nil
	}
	all, err := v.blobSchedules(b)
	if err != nil {
		return nil, 0, err
	}
	if fee, err = all.baseFee(b); err != nil || b.BlobGasUsed == nil {
		return fee, 0, err
	}
	used, err = agreed(all, func(s blobSchedule) float64 {
		return ratio(*b.BlobGasUsed, s.most*params.BlobTxBlobGasPerBlob)
	}, func(a, b float64) bool { return a == b })
	return fee, used, err
}

// blobFeeAfter is the base fee per blob gas of the block after one that is
// stored; zero before EIP-4844.
func (v *view) blobFeeAfter(number uint64) (*uint256.Int, error) {
	b, err := v.wanted(number, store.PartTransactions)
	if err != nil || b.ExcessBlobGas == nil {
		return new(uint256.Int), err
	}
	next, err := v.Block(number+1, store.PartTransactions)
	if err == nil && number < v.limit && next.ExcessBlobGas != nil {
		fee, _, err := v.blobFee(next)
		return fee, err
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	all, err := v.blobSchedules(b)
	if err != nil {
		return nil, err
	}
	var fees []*uint256.Int
	for _, s := range all {
		for _, osaka := range []bool{false, b.RequestsHash != nil} {
			fees = append(fees, s.price(s.excessAfter(&b.Header, osaka)))
		}
	}
	for _, fee := range fees {
		if !fee.Eq(fees[0]) {
			return nil, errBlobFee
		}
	}
	return fees[0], nil
}
