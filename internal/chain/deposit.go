package chain

import (
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"gapless/internal/scan"
)

// This file has what the OP Stack adds (https://specs.optimism.io). Every block
// of such a chain, save genesis, begins with a deposit: a transaction that
// nobody signed, because it follows from the chain below.

// depositType is the type of deposits.
const depositType = 0x7e

// The keys that deposits and their receipts have beyond others.
var (
	depositFields = only((*transactionView).isDeposit, lift([]field[Transaction]{
		optionalHash("sourceHash", func(t *Transaction) **common.Hash { return &t.SourceHash }),
		optionalQuantity256("mint", func(t *Transaction) **uint256.Int { return &t.Mint }),
		boolean("isSystemTx", func(t *Transaction) *bool { return &t.IsSystemTx }),
		optionalQuantity("depositReceiptVersion", func(t *Transaction) **uint64 { return &t.DepositReceiptVersion }),
	}, (*transactionView).transaction))

	depositReceiptFields = only((*transactionView).isDeposit, lift([]field[Receipt]{
		optionalQuantity("depositNonce", func(r *Receipt) **uint64 { return &r.DepositNonce }),
		optionalQuantity("depositReceiptVersion", func(r *Receipt) **uint64 { return &r.DepositReceiptVersion }),
	}, (*transactionView).receipt))

	// What a receipt says of the fee for the chain below. No root commits to it.
	rollupReceiptFields = only((*transactionView).inRollup, []field[transactionView]{
		ignored[transactionView]("l1GasPrice"),
		ignored[transactionView]("l1GasUsed"),
		ignored[transactionView]("l1Fee"),
		ignored[transactionView]("l1FeeScalar"),
		ignored[transactionView]("l1BlobBaseFee"),
		ignored[transactionView]("l1BaseFeeScalar"),
		ignored[transactionView]("l1BlobBaseFeeScalar"),
		ignored[transactionView]("operatorFeeScalar"),
		ignored[transactionView]("operatorFeeConstant"),
		ignored[transactionView]("daFootprintGasScalar"),
	})
)

// only makes fields whose values are kept in Extra. In an object that can't
// have them, their keys are unknown.
func only[T any](has func(*T) bool, fields []field[T]) []field[T] {
	for i, f := range fields {
		fields[i] = field[T]{key: f.key, omitted: true, kept: true,
			decode: func(d *decoder, t *T, value scan.Value) (exact bool, err error) {
				switch {
				case !has(t):
					return false, errMisplaced
				case !d.isNull(value):
					_, err = f.decode(d, t, value)
				}
				return false, err
			},
			encode: func(*T, []byte) []byte { return nil },
		}
	}
	return fields
}

func boolean[T any](key string, at func(*T) *bool) field[T] {
	return field[T]{key: key, decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
		return true, json.Unmarshal(d.text.Raw(value), at(t))
	}}
}

func (t *Transaction) isDeposit() bool     { return t.Type == depositType }
func (v *transactionView) isDeposit() bool { return v.tx.isDeposit() }
func (v *transactionView) inRollup() bool  { return v.block.isRollup() }

// isRollup reports whether the block is one of an OP Stack chain.
func (b *Block) isRollup() bool { return len(b.Transactions) > 0 && b.Transactions[0].isDeposit() }

// appendDeposit appends a deposit as its hash is taken.
func (t *Transaction) appendDeposit(out []byte) []byte {
	return appendRLP(append(out, depositType), func(w rlp.EncoderBuffer) {
		l := w.List()
		var source common.Hash
		if t.SourceHash != nil {
			source = *t.SourceHash
		}
		w.WriteBytes(source[:])
		w.WriteBytes(t.From[:])
		writeAddress(w, t.To)
		writeQuantity(w, t.Mint)
		w.WriteUint256(&t.Value)
		w.WriteUint64(t.Gas)
		w.WriteBool(t.IsSystemTx)
		w.WriteBytes(t.Input)
		w.ListEnd(l)
	})
}

// writeDeposit writes what a deposit's receipt has after its logs. Before
// Canyon nodes tell a nonce that is no part of the receipt's encoding.
func (r *Receipt) writeDeposit(w rlp.EncoderBuffer) {
	if r.DepositReceiptVersion == nil {
		return
	}
	if !writeOptional64(w, r.DepositNonce) {
		w.WriteBytes(nil)
	}
	w.WriteUint64(*r.DepositReceiptVersion)
}

// depositContents checks what a deposit and its receipt repeat, and that there
// is no signature. Without a deposit nonce nothing commits to the nonce: it is
// zero before Regolith, whatever the sender's was.
func (t *Transaction) depositContents() (key, why string) {
	told, version := t.DepositReceiptVersion, t.Receipt.DepositReceiptVersion
	switch nonce := t.Receipt.DepositNonce; {
	case !t.V.IsZero() || !t.R.IsZero() || !t.S.IsZero():
		return "r", "signature of a deposit"
	case nonce != nil && t.Nonce != *nonce:
		return "nonce", fmt.Sprintf("nonce is %d, deposit nonce %d", t.Nonce, *nonce)
	case told != nil && (version == nil || *told != *version):
		return "depositReceiptVersion", "deposit receipt version is not that of the receipt"
	}
	return "", ""
}

// daFootprint checks that the blob gas that receipts tell adds up to what the
// header has. A rollup has no blobs: from Jovian on the fields count what its
// transactions, save deposits, take of the data availability below.
func (v *verifier) daFootprint() {
	told, whole := 0, true
	sum, want := uint64(0), uint64(0)
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		if used := tx.Receipt.BlobGasUsed; used != nil {
			sum += *used
			told++
		} else if !tx.isDeposit() {
			whole = false
		}
	}
	if v.b.BlobGasUsed != nil {
		want = *v.b.BlobGasUsed
	}
	if told == 0 || sum == want || sum < want && !whole {
		return
	}
	v.find(Finding{Check: Contents, About: "blobGasUsed", Why: fmt.Sprintf("blob gas used is %d by the receipts, %d by the block", sum, want)})
}

// stateWithdrawals reports whether the header's withdrawals root is of the
// OP Stack's Isthmus or later (which brings the requests hash): not the root
// of a list, which stays empty, but of the storage of the contract by which
// messages leave the chain. Genesis has no deposit that would tell.
func (b *Block) stateWithdrawals() bool {
	return b.RequestsHash != nil && (b.isRollup() || b.Number == 0)
}
