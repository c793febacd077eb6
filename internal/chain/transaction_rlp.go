package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// Transaction types (EIP-2718, 2930, 1559, 4844, 7702); see depositType too.
const (
	legacyType     = 0
	accessListType = 1
	dynamicFeeType = 2
	blobType       = 3
	setCodeType    = 4
)

// known reports whether the type's encoding is.
func (t *Transaction) known() bool { return t.Type <= setCodeType || t.isDeposit() }

// appendConsensus appends the transaction as the transactions root commits to
// it, and its hash is taken. The type must be known.
func (t *Transaction) appendConsensus(out []byte) []byte {
	if t.isDeposit() {
		return t.appendDeposit(out)
	}
	return t.appendPayload(out, func(w rlp.EncoderBuffer) {
		w.WriteUint256(&t.V)
		w.WriteUint256(&t.R)
		w.WriteUint256(&t.S)
	})
}

// appendPayload appends type and fields, and lets signature write what follows
// them.
func (t *Transaction) appendPayload(out []byte, signature func(rlp.EncoderBuffer)) []byte {
	if t.Type != legacyType {
		out = append(out, byte(t.Type))
	}
	return appendRLP(out, func(w rlp.EncoderBuffer) {
		l := w.List()
		t.writeFields(w)
		signature(w)
		w.ListEnd(l)
	})
}

// writeFields writes the fields before the signature, in the order of the type.
func (t *Transaction) writeFields(w rlp.EncoderBuffer) {
	if t.Type != legacyType {
		writeQuantity(w, t.ChainID)
	}
	w.WriteUint64(t.Nonce)
	if t.Type >= dynamicFeeType {
		writeQuantity(w, t.MaxPriorityFeePerGas)
		writeQuantity(w, t.MaxFeePerGas)
	} else {
		writeQuantity(w, t.GasPrice)
	}
	w.WriteUint64(t.Gas)
	writeAddress(w, t.To)
	w.WriteUint256(&t.Value)
	w.WriteBytes(t.Input)
	if t.Type == legacyType {
		return
	}
	t.writeAccessList(w)
	switch t.Type {
	case blobType:
		writeQuantity(w, t.MaxFeePerBlobGas)
		l := w.List()
		for i := range t.BlobVersionedHashes {
			w.WriteBytes(t.BlobVersionedHashes[i][:])
		}
		w.ListEnd(l)
	case setCodeType:
		t.writeAuthorizations(w)
	}
}

func (t *Transaction) writeAccessList(w rlp.EncoderBuffer) {
	l := w.List()
	for i := range t.AccessList {
		tuple := w.List()
		w.WriteBytes(t.AccessList[i].Address[:])
		keys := w.List()
		for j := range t.AccessList[i].StorageKeys {
			w.WriteBytes(t.AccessList[i].StorageKeys[j][:])
		}
		w.ListEnd(keys)
		w.ListEnd(tuple)
	}
	w.ListEnd(l)
}

func (t *Transaction) writeAuthorizations(w rlp.EncoderBuffer) {
	l := w.List()
	for i := range t.AuthorizationList {
		a := &t.AuthorizationList[i]
		tuple := w.List()
		w.WriteUint256(&a.ChainID)
		w.WriteBytes(a.Address[:])
		w.WriteUint64(a.Nonce)
		w.WriteUint64(a.YParity)
		w.WriteUint256(&a.R)
		w.WriteUint256(&a.S)
		w.ListEnd(tuple)
	}
	w.ListEnd(l)
}

// writeAddress writes an address, or an empty string for a creation's.
func writeAddress(w rlp.EncoderBuffer, a *common.Address) {
	if a == nil {
		w.WriteBytes(nil)
		return
	}
	w.WriteBytes(a[:])
}

func writeQuantity(w rlp.EncoderBuffer, v *uint256.Int) {
	if v == nil {
		w.WriteBytes(nil)
		return
	}
	w.WriteUint256(v)
}

// sender recovers the address that signed the transaction, which must not be a
// deposit. ok is false if the signature is not a valid one.
func (t *Transaction) sender() (address common.Address, ok bool) {
	parity, protected := t.recovery()
	if parity > 1 {
		return address, false
	}
	signed := crypto.Keccak256(t.appendPayload(nil, func(w rlp.EncoderBuffer) {
		if t.Type == legacyType && protected != nil { // EIP-155
			w.WriteUint256(protected)
			w.WriteUint64(0)
			w.WriteUint64(0)
		}
	}))
	var signature [65]byte
	t.R.WriteToSlice(signature[:32])
	t.S.WriteToSlice(signature[32:64])
	signature[64] = byte(parity)
	public, err := crypto.Ecrecover(signed, signature[:])
	if err != nil {
		return address, false
	}
	copy(address[:], crypto.Keccak256(public[1:])[12:])
	return address, true
}

// recovery gives the parity of the signature's curve point, which is above 1
// if v is not valid, and for a legacy transaction under EIP-155 its chain id.
func (t *Transaction) recovery() (parity uint64, chainID *uint256.Int) {
	v := t.V
	switch {
	case t.Type != legacyType:
	case v.LtUint64(35):
		v.SubUint64(&v, 27) // below 27 wraps to a large number
	default:
		v.SubUint64(&v, 35)
		chainID = new(uint256.Int).Rsh(&v, 1)
		v.And(&v, uint256.NewInt(1))
	}
	if !v.IsUint64() {
		return 2, chainID
	}
	return v.Uint64(), chainID
}
