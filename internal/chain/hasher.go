package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// A hasher computes Keccak-256, without allocating.
type hasher struct {
	state crypto.KeccakState // nil before the first
	sum   common.Hash
}

func (h *hasher) hash(data []byte) common.Hash {
	if h.state == nil {
		h.state = crypto.NewKeccakState()
	}
	h.state.Reset()
	_, _ = h.state.Write(data) // neither fails
	_, _ = h.state.Read(h.sum[:])
	return h.sum
}
