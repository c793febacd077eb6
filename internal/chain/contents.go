package chain

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// gasPerBlob is the blob gas that a blob takes (EIP-4844).
const gasPerBlob = 1 << 17

// contents checks what no root commits to against what one does. Not checked
// are totalDifficulty, which takes the chain before, blobGasPrice, which takes
// the chain's blob schedule, and size: anvil counts it without withdrawals,
// hardhat without the envelopes of typed transactions.
func (v *verifier) contents() {
	for i := range v.b.Withdrawals {
		v.contradiction(&v.b.Withdrawals[i].Object, "withdrawal %d", i)
	}
	for i := range v.b.Uncles {
		v.contradiction(&v.b.Uncles[i].Object, "uncle %d", i)
	}
	v.unreadable()
	if v.b.isRollup() {
		v.daFootprint()
	}
	for i := range v.b.Transactions {
		v.transactionContents(i, &v.b.Transactions[i])
	}
}

// unreadable tells of a known key whose value can't be read, though no hash needs
// it.
func (v *verifier) unreadable() {
	check := func(o *Object, what string, at int) {
		if o.spoiled != "" && !slices.ContainsFunc(v.found, func(f Finding) bool { return f.Spoiled }) {
			v.find(Finding{Check: Contents, About: o.spoiled, Why: fmt.Sprintf("%s %d: %s can't be read", what, at, o.spoiled), Spoiled: true})
		}
	}
	check(&v.b.Object, "block", int(v.b.Number))
	for i := range v.b.Withdrawals {
		check(&v.b.Withdrawals[i].Object, "withdrawal", i)
	}
	for i := range v.b.Uncles {
		check(&v.b.Uncles[i].Object, "uncle", i)
	}
	for i := range v.b.Transactions {
		tx := &v.b.Transactions[i]
		check(&tx.Object, "transaction", i)
		check(&tx.Receipt.Object, "receipt", i)
		for j := range tx.Receipt.Logs {
			check(&tx.Receipt.Logs[j].Object, "log", j)
		}
	}
}

// contradiction tells of a derived key that contradicts the block.
func (v *verifier) contradiction(o *Object, what string, at ...int) {
	if o.mismatch == "" {
		return
	}
	places := make([]any, len(at))
	for i := range at {
		places[i] = at[i]
	}
	v.find(Finding{Check: Contents, About: o.mismatch, Why: fmt.Sprintf(what, places...) + ": " + o.mismatch + " contradicts the block"})
}

func (v *verifier) transactionContents(i int, tx *Transaction) {
	v.contradiction(&tx.Object, "transaction %d", i)
	v.contradiction(&tx.Receipt.Object, "receipt %d", i)
	for j := range tx.Receipt.Logs {
		v.contradiction(&tx.Receipt.Logs[j].Object, "receipt %d, log %d", i, j)
	}
	before := uint64(0)
	if i > 0 {
		before = v.b.Transactions[i-1].Receipt.CumulativeGasUsed
	}
	if key, why := tx.Receipt.contents(before); why != "" {
		v.find(Finding{Check: Contents, About: key, Why: fmt.Sprintf("receipt %d: %s", i, why), Spoiled: tx.Receipt.spoiled != ""})
	}
	if tx.Shape&transactionFromAbsent != 0 { // no root commits to it
		v.find(Finding{Check: Contents, About: "from", Why: fmt.Sprintf("transaction %d: no sender", i)})
	}
	if !tx.known() {
		return
	}
	if key, why := tx.contents(v.b); why != "" {
		v.find(Finding{Check: Contents, About: key, Why: fmt.Sprintf("transaction %d: %s", i, why), Spoiled: tx.spoiled != "" || tx.Receipt.spoiled != ""})
	}
}

// transactionFromAbsent is the bit of from in a transaction's Shape.
const transactionFromAbsent = 1 << 2

// contents gives a key, and what is wrong about it.
func (r *Receipt) contents(gasBefore uint64) (key, why string) {
	switch {
	case r.CumulativeGasUsed-gasBefore != r.GasUsed:
		return "gasUsed", "gas used is not what the cumulative gas says"
	case (r.Status != nil) == (r.Root != nil):
		return "status", "not one of status and state root"
	}
	return "", ""
}

// contents checks what a transaction of a known type and its receipt repeat.
func (t *Transaction) contents(b *Block) (key, why string) {
	if key, why := t.misfit(); why != "" {
		return key, why
	}
	if t.isDeposit() {
		if key, why := t.depositContents(); why != "" {
			return key, why
		}
	}
	r := &t.Receipt
	parity, chainID := t.recovery()
	paid := t.pricePaid(b.BaseFeePerGas)
	blobGas := gasPerBlob * uint64(len(t.BlobVersionedHashes))
	switch {
	case t.YParity != nil && *t.YParity != parity:
		return "yParity", fmt.Sprintf("yParity is %d, not %d", *t.YParity, parity)
	case t.Type == legacyType && t.ChainID != nil && chainID != nil && !t.ChainID.Eq(chainID):
		return "chainId", fmt.Sprintf("chain id is %s, not %s", t.ChainID.Dec(), chainID.Dec())
	case t.GasPrice != nil && paid != nil && !t.GasPrice.Eq(paid):
		return "gasPrice", fmt.Sprintf("gas price is %s, not %s", t.GasPrice.Dec(), paid.Dec())
	case r.EffectiveGasPrice != nil && paid != nil && !r.EffectiveGasPrice.Eq(paid):
		return "effectiveGasPrice", fmt.Sprintf("effective gas price is %s, not %s", r.EffectiveGasPrice.Dec(), paid.Dec())
	case r.BlobGasUsed != nil && *r.BlobGasUsed != blobGas && !b.isRollup():
		return "blobGasUsed", fmt.Sprintf("blob gas used is %d, not %d", *r.BlobGasUsed, blobGas)
	}
	return "contractAddress", t.created()
}

// misfit tells of a field that the type has and the transaction does not, or
// the other way round. Nothing commits to the latter, nor to the difference
// between none and zero.
func (t *Transaction) misfit() (key, why string) {
	deposit := t.isDeposit()
	dynamic := t.Type >= dynamicFeeType && !deposit
	listed := t.Type != legacyType && !deposit
	for _, field := range []struct {
		key             string
		has, may, needs bool
	}{
		{"chainId", t.ChainID != nil, !deposit, listed},
		{"gasPrice", t.GasPrice != nil, true, t.Type < dynamicFeeType},
		{"maxFeePerGas", t.MaxFeePerGas != nil, dynamic, dynamic},
		{"maxPriorityFeePerGas", t.MaxPriorityFeePerGas != nil, dynamic, dynamic},
		{"maxFeePerBlobGas", t.MaxFeePerBlobGas != nil, t.Type == blobType, t.Type == blobType},
		{"accessList", len(t.AccessList) > 0, listed, false},
		{"blobVersionedHashes", len(t.BlobVersionedHashes) > 0, t.Type == blobType, false},
		{"authorizationList", len(t.AuthorizationList) > 0, t.Type == setCodeType, false},
		{"sourceHash", t.SourceHash != nil, deposit, deposit},
		{"mint", t.Mint != nil, deposit, false},
		{"isSystemTx", t.IsSystemTx, deposit, false},
		{"depositReceiptVersion", t.DepositReceiptVersion != nil, deposit, false},
		{"depositNonce of the receipt", t.Receipt.DepositNonce != nil, deposit, false},
		{"depositReceiptVersion of the receipt", t.Receipt.DepositReceiptVersion != nil, deposit, false},
	} {
		switch {
		case field.has && !field.may:
			return field.key, fmt.Sprintf("%s with type %d", field.key, t.Type)
		case field.needs && !field.has:
			return field.key, fmt.Sprintf("no %s with type %d", field.key, t.Type)
		}
	}
	return "", ""
}

// created checks the address of a created contract. Nodes differ in whether
// they tell it where the creation failed.
func (t *Transaction) created() string {
	address := t.Receipt.ContractAddress
	switch {
	case address == nil && t.To == nil && t.Receipt.Status != nil && *t.Receipt.Status == 1:
		return "no contract address"
	case address != nil && t.To != nil:
		return "contract address without a creation"
	case address != nil && *address != crypto.CreateAddress(t.From, t.Nonce):
		return "contract address does not follow from sender and nonce"
	}
	return ""
}

// pricePaid is the price per gas that the sender pays (EIP-1559), or nil if the
// fields don't say.
func (t *Transaction) pricePaid(baseFee *uint256.Int) *uint256.Int {
	switch {
	case t.isDeposit():
		return new(uint256.Int)
	case t.Type < dynamicFeeType:
		return t.GasPrice
	}
	if baseFee == nil || t.MaxFeePerGas == nil || t.MaxPriorityFeePerGas == nil {
		return nil
	}
	price, overflow := new(uint256.Int).AddOverflow(baseFee, t.MaxPriorityFeePerGas)
	if overflow || price.Gt(t.MaxFeePerGas) {
		return t.MaxFeePerGas
	}
	return price
}
