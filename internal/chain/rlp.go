package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// appendRLP appends what write writes.
func appendRLP(out []byte, write func(w rlp.EncoderBuffer)) []byte {
	w := rlp.NewEncoderBuffer(nil)
	write(w)
	out = w.AppendToBytes(out)
	_ = w.Flush() // gives the buffer back; there is no writer to fail
	return out
}

func rlpHash(write func(w rlp.EncoderBuffer)) common.Hash {
	return crypto.Keccak256Hash(appendRLP(nil, write))
}

// writeTo writes the header as its hash is taken: the fields that are there,
// and an empty string for one that is absent before one that is there.
func (h *Header) writeTo(w rlp.EncoderBuffer) {
	l := w.List()
	w.WriteBytes(h.ParentHash[:])
	w.WriteBytes(h.UnclesHash[:])
	w.WriteBytes(h.Miner[:])
	w.WriteBytes(h.StateRoot[:])
	w.WriteBytes(h.TransactionsRoot[:])
	w.WriteBytes(h.ReceiptsRoot[:])
	w.WriteBytes(h.LogsBloom[:])
	w.WriteUint256(&h.Difficulty)
	w.WriteUint64(h.Number)
	w.WriteUint64(h.GasLimit)
	w.WriteUint64(h.GasUsed)
	w.WriteUint64(h.Timestamp)
	w.WriteBytes(h.ExtraData)
	w.WriteBytes(h.MixHash[:])
	w.WriteBytes(h.Nonce[:])
	h.writeForkFields(w)
	w.ListEnd(l)
}

// writeForkFields writes what forks added, in the order of the forks.
func (h *Header) writeForkFields(w rlp.EncoderBuffer) {
	present := [...]bool{
		h.BaseFeePerGas != nil, h.WithdrawalsRoot != nil, h.BlobGasUsed != nil, h.ExcessBlobGas != nil,
		h.ParentBeaconBlockRoot != nil, h.RequestsHash != nil, h.BlockAccessListHash != nil, h.SlotNumber != nil,
	}
	last := len(present) - 1
	for last >= 0 && !present[last] {
		last--
	}
	for i := range last + 1 {
		if !h.writeForkField(w, i) {
			w.WriteBytes(nil)
		}
	}
}

// writeForkField writes one of them, if it is there.
func (h *Header) writeForkField(w rlp.EncoderBuffer, i int) bool {
	switch i {
	case 0:
		return writeOptional256(w, h.BaseFeePerGas)
	case 1:
		return writeOptionalHash(w, h.WithdrawalsRoot)
	case 2:
		return writeOptional64(w, h.BlobGasUsed)
	case 3:
		return writeOptional64(w, h.ExcessBlobGas)
	case 4:
		return writeOptionalHash(w, h.ParentBeaconBlockRoot)
	case 5:
		return writeOptionalHash(w, h.RequestsHash)
	case 6:
		return writeOptionalHash(w, h.BlockAccessListHash)
	}
	return writeOptional64(w, h.SlotNumber)
}

func writeOptional64(w rlp.EncoderBuffer, v *uint64) bool {
	if v != nil {
		w.WriteUint64(*v)
	}
	return v != nil
}

func writeOptional256(w rlp.EncoderBuffer, v *uint256.Int) bool {
	if v != nil {
		w.WriteUint256(v)
	}
	return v != nil
}

func writeOptionalHash(w rlp.EncoderBuffer, h *common.Hash) bool {
	if h != nil {
		w.WriteBytes(h[:])
	}
	return h != nil
}

// hash recomputes the header's hash.
func (h *Header) hash() common.Hash { return rlpHash(h.writeTo) }

func unclesHash(uncles []Header) common.Hash {
	return rlpHash(func(w rlp.EncoderBuffer) { writeUncles(w, uncles) })
}

// writeUncles writes the list of headers whose hash a header has.
func writeUncles(w rlp.EncoderBuffer, uncles []Header) {
	l := w.List()
	for i := range uncles {
		if encoded, ok := uncles[i].encode(); ok {
			_, _ = w.Write(encoded) // to a buffer
		} else {
			uncles[i].writeTo(w)
		}
	}
	w.ListEnd(l)
}

func (wd *Withdrawal) appendRLP(out []byte) []byte {
	return appendRLP(out, func(w rlp.EncoderBuffer) {
		l := w.List()
		w.WriteUint64(wd.Index)
		w.WriteUint64(wd.ValidatorIndex)
		w.WriteBytes(wd.Address[:])
		w.WriteUint64(wd.Amount)
		w.ListEnd(l)
	})
}

// appendConsensus appends the receipt as the receipts root commits to it
// (EIP-2718). For a type that is not known the form of types 1 to 4 is tried.
func (r *Receipt) appendConsensus(out []byte, txType uint64, bloom *Bloom) []byte {
	if txType != legacyType {
		out = append(out, byte(txType))
	}
	return appendRLP(out, func(w rlp.EncoderBuffer) {
		l := w.List()
		switch {
		case r.Root != nil:
			w.WriteBytes(r.Root[:])
		case r.Status != nil:
			w.WriteUint64(*r.Status)
		default:
			w.WriteBytes(nil)
		}
		w.WriteUint64(r.CumulativeGasUsed)
		w.WriteBytes(bloom[:])
		logs := w.List()
		for i := range r.Logs {
			r.Logs[i].writeTo(w)
		}
		w.ListEnd(logs)
		if txType == depositType {
			r.writeDeposit(w)
		}
		w.ListEnd(l)
	})
}

func (g *Log) writeTo(w rlp.EncoderBuffer) {
	l := w.List()
	w.WriteBytes(g.Address[:])
	topics := w.List()
	for i := range g.Topics {
		w.WriteBytes(g.Topics[i][:])
	}
	w.ListEnd(topics)
	w.WriteBytes(g.Data)
	w.ListEnd(l)
}
