package jsonrpc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// A payment is what a transaction paid its block's miner for a unit of gas.
type payment struct {
	tip  *uint256.Int
	from common.Address
	gas  uint64 // used
}

// paid gives a block's payments, the lowest tip first.
func paid(b *chain.Block) []payment {
	all := make([]payment, len(b.Transactions))
	for i := range b.Transactions {
		t := &b.Transactions[i]
		all[i] = payment{effectiveTip(t, b.BaseFeePerGas), t.From, t.Receipt.GasUsed}
	}
	slices.SortStableFunc(all, func(a, b payment) int { return a.tip.Cmp(b.tip) })
	return all
}

// effectiveTip is what of the price is above the base fee (EIP-1559). A price
// below the base fee, which only a deposit or a development node has, is none.
func effectiveTip(t *chain.Transaction, baseFee *uint256.Int) *uint256.Int {
	most, tip := t.MaxFeePerGas, t.MaxPriorityFeePerGas
	if most == nil || tip == nil {
		most, tip = t.GasPrice, t.GasPrice
	}
	switch {
	case most == nil:
		return new(uint256.Int)
	case baseFee == nil:
		return tip.Clone()
	case most.Lt(baseFee):
		return new(uint256.Int)
	}
	left := new(uint256.Int).Sub(most, baseFee)
	if left.Gt(tip) {
		return tip.Clone()
	}
	return left
}

// rewards gives percentiles of a block's tips, weighted by gas.
func rewards(b *chain.Block, percentiles []float64) []*hexutil.U256 {
	row := make([]*hexutil.U256, len(percentiles))
	all := paid(b)
	if len(all) == 0 {
		for i := range row {
			row[i] = new(hexutil.U256)
		}
		return row
	}
	at, gas := 0, all[0].gas
	for i, p := range percentiles {
		threshold := uint64(float64(b.GasUsed) * p / 100)
		for gas < threshold && at < len(all)-1 {
			at++
			gas += all[at].gas
		}
		row[i] = (*hexutil.U256)(all[at].tip)
	}
	return row
}

// parseCount reads a number in hex or decimal.
func parseCount(text string) (uint64, error) {
	if digits, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		return strconv.ParseUint(digits, 16, 64)
	}
	return strconv.ParseUint(text, 10, 64)
}
