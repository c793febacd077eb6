package jsonrpc

import (
	"encoding/binary"
	"errors"

	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// The parameters of EIP-1559 are the chain's, and not in the file: Ethereum's
// are used if the last blocks of the file follow from them, else those of the
// OP Stack if they do. Where none does, the next base fee is not known.
type baseFeeRule func(parent *chain.Header) (elasticity, denominator uint64)

var baseFeeRules = []baseFeeRule{
	func(*chain.Header) (uint64, uint64) { return 2, 8 },   // EIP-1559
	func(*chain.Header) (uint64, uint64) { return 6, 50 },  // OP Stack
	func(*chain.Header) (uint64, uint64) { return 6, 250 }, // OP Stack from Canyon on
	holocene,
}

// holocene reads the parameters in the extra data of a header, where the
// OP Stack has them from Holocene on
// (https://specs.optimism.io/protocol/holocene/exec-engine.html).
func holocene(parent *chain.Header) (elasticity, denominator uint64) {
	extra := parent.ExtraData
	if len(extra) != 9 || extra[0] != 0 {
		return 0, 0
	}
	return uint64(binary.BigEndian.Uint32(extra[5:])), uint64(binary.BigEndian.Uint32(extra[1:]))
}

// apply gives the base fee of a block from its parent (EIP-1559), nil if the
// rule does not say.
func (rule baseFeeRule) apply(parent *chain.Header) *uint256.Int {
	elasticity, denominator := rule(parent)
	if elasticity == 0 || denominator == 0 || parent.GasLimit < elasticity || parent.BaseFeePerGas == nil {
		return nil
	}
	target := parent.GasLimit / elasticity
	above, delta := parent.GasUsed > target, target-parent.GasUsed
	if above {
		delta = parent.GasUsed - target
	}
	change, overflow := new(uint256.Int).MulOverflow(parent.BaseFeePerGas, uint256.NewInt(delta))
	if overflow {
		return nil
	}
	change.Div(change, uint256.NewInt(target))
	change.Div(change, uint256.NewInt(denominator))
	if !above {
		return change.Sub(parent.BaseFeePerGas, change)
	}
	if change.IsZero() {
		change.SetOne()
	}
	return change.Add(parent.BaseFeePerGas, change)
}

// evidence is how many of the last blocks must follow from a rule.
const evidence = 16

var errBaseFee = &Error{Code: codeUnsupported,
	Message: "the base fee of the next block is not known: its rule is the chain's, and the last blocks do not follow from one that this program knows"}

// baseFeeAfter is the base fee of the block after one that is stored: of the
// stored block if there is one. It is zero before EIP-1559.
func (v *view) baseFeeAfter(number uint64) (*uint256.Int, error) {
	next, _, err := v.Header(number + 1)
	switch {
	case err == nil && number < v.limit && next.BaseFeePerGas != nil:
		return next.BaseFeePerGas, nil
	case err == nil && number < v.limit:
		return new(uint256.Int), nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return v.nextBaseFee(number)
}

// nextBaseFee computes the base fee of the block after one that is stored.
func (v *view) nextBaseFee(number uint64) (*uint256.Int, error) {
	parent, _, err := v.Header(number)
	if err != nil {
		return nil, err
	}
	if parent.BaseFeePerGas == nil {
		return nil, errBaseFee // London may come next
	}
	rules, err := v.rulesThatHold(&parent.Header)
	if err != nil {
		return nil, err
	}
	var fee *uint256.Int
	for _, rule := range rules {
		one := rule.apply(&parent.Header)
		if one == nil || fee != nil && !fee.Eq(one) {
			return nil, errBaseFee // they don't agree
		}
		fee = one
	}
	if fee == nil {
		return nil, errBaseFee
	}
	return fee, nil
}

// rulesThatHold gives the rules from which a block and those below it follow.
// One pair of blocks of which they say different things leaves one.
func (v *view) rulesThatHold(child *chain.Header) ([]baseFeeRule, error) {
	rules, pairs := append([]baseFeeRule(nil), baseFeeRules...), 0
	for child.Number > 0 && pairs < evidence && len(rules) > 0 {
		parent, _, err := v.Header(child.Number - 1)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if parent.BaseFeePerGas == nil || child.BaseFeePerGas == nil {
			break // London
		}
		pairs++
		held := rules[:0]
		for _, rule := range rules {
			if fee := rule.apply(&parent.Header); fee != nil && fee.Eq(child.BaseFeePerGas) {
				held = append(held, rule)
			}
		}
		rules, child = held, &parent.Header
	}
	if pairs == 0 {
		return nil, errBaseFee
	}
	return rules, nil
}
