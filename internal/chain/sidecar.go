package chain

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"
)

// This file has a rule of anvil: the transactions root of a block is taken of
// blob transactions as they are sent, with their blobs, and its answers have
// these too.

// A sidecar is what a blob transaction is sent with (EIP-4844, EIP-7594).
type sidecar struct {
	Blobs       []hexutil.Bytes `json:"blobs"`
	Commitments []hexutil.Bytes `json:"commitments"`
	Proofs      []hexutil.Bytes `json:"proofs"`
	CellProofs  []hexutil.Bytes `json:"cellProofs"`
}

// sidecarsRoot gives the transactions root over blob transactions with their
// sidecars, zero if there are none.
func (v *verifier) sidecarsRoot() (root common.Hash) {
	var sent [][]byte
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if tx.Type != blobType || !tx.unknown {
			continue
		}
		var s sidecar
		if json.Unmarshal(tx.Extra, &s) != nil || len(s.Blobs) == 0 {
			continue
		}
		if sent == nil {
			sent = append(sent, v.encoded...)
		}
		sent[i] = s.wrap(v.encoded[i][1:])
	}
	if sent == nil {
		return root
	}
	return v.trie.root(sent)
}

// wrap encodes a blob transaction, given what is after its type, as it is sent.
func (s *sidecar) wrap(payload []byte) []byte {
	return appendRLP([]byte{blobType}, func(w rlp.EncoderBuffer) {
		l := w.List()
		_, _ = w.Write(payload) // to a buffer
		proofs := s.Proofs
		if s.CellProofs != nil {
			w.WriteUint64(1) // the version of the wrapper
			proofs = s.CellProofs
		}
		for _, list := range [][]hexutil.Bytes{s.Blobs, s.Commitments, proofs} {
			inner := w.List()
			for _, item := range list {
				w.WriteBytes(item)
			}
			w.ListEnd(inner)
		}
		w.ListEnd(l)
	})
}
