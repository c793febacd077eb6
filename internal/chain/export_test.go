package chain

import "github.com/ethereum/go-ethereum/common"

var ListRoot = listRoot

func (t *Transaction) Sender() (common.Address, bool) { return t.sender() }

func (r *Receipt) ComputeBloom() Bloom { return r.computeBloom() }

var Exponential = exponential
