package chain

import "github.com/ethereum/go-ethereum/common"

func ListRoot(values [][]byte) common.Hash { return new(listTrie).root(values) }

func (t *Transaction) Sender() (common.Address, bool) { return t.sender() }

func (r *Receipt) ComputeBloom() Bloom { return r.computeBloom() }

var Exponential = exponential
