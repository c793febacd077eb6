package main

import (
	"crypto/ecdsa"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// aliased are senders of deposits. Their number and that of the kinds have no
// common factor, so that each comes to make each kind.
var aliased = []common.Address{{0xa1, 19: 1}, {0xa1, 19: 2}, {0xa1, 19: 3}, {0xa1, 19: 4}}

// depositKinds are what users deposit.
var depositKinds = []func(*types.DepositTx){
	func(tx *types.DepositTx) { // ether for somebody
		tx.To, tx.Mint, tx.Value = &common.Address{0xb0, 19: 1}, ether(3), ether(1)
	},
	func(tx *types.DepositTx) { // a creation
		tx.Data = loggingInit
	},
	func(tx *types.DepositTx) { // more than the sender has, whatever is minted
		tx.To, tx.Mint, tx.Value = &common.Address{0xb0, 19: 2}, big.NewInt(7), ether(1_000_000)
	},
	func(tx *types.DepositTx) { // a call that logs, with nothing minted
		tx.To, tx.Data = &emitter, common.Hash{1}.Bytes()
	},
	func(tx *types.DepositTx) { // a call that reverts
		tx.To, tx.Mint = &reverter, ether(1)
	},
	func(tx *types.DepositTx) { // a creation that fails
		tx.Data = failingInit
	},
	func(tx *types.DepositTx) { // more than 64 bits, and a message
		tx.To, tx.Mint, tx.Data = &messagePasser, ether(100), tx.SourceHash.Bytes()
	},
	func(tx *types.DepositTx) { // less gas than it takes to begin
		tx.To, tx.Gas, tx.Mint = &emitter, 1000, new(big.Int)
	},
	func(tx *types.DepositTx) { // a creation with ether
		tx.Mint, tx.Value, tx.Data = ether(2), ether(1), loggingInit
	},
}

// A user signs transactions.
type user struct {
	key     *ecdsa.PrivateKey
	address common.Address
}

var users = [3]user{newUser("a"), newUser("b"), newUser("c")}

func newUser(name string) user {
	key := must(crypto.ToECDSA(crypto.Keccak256([]byte("optimism"), []byte(name))))
	return user{key, crypto.PubkeyToAddress(key.PublicKey)}
}

// A call is what a transaction does.
type call struct {
	to    *common.Address
	value *big.Int
	data  []byte
}

var calls = []call{
	{&common.Address{0xb0, 19: 3}, big.NewInt(1), nil},
	{&emitter, new(big.Int), common.Hash{2}.Bytes()},
	{&reverter, new(big.Int), []byte{0}},
	{nil, new(big.Int), loggingInit},
	{&messagePasser, new(big.Int), crypto.Keccak256([]byte("message"))},
	{nil, new(big.Int), failingInit},
	{&emitter, new(big.Int), append(common.Hash{3}.Bytes(), make([]byte, 500)...)},
}

// A request is a call of a user at a moment.
type request struct {
	user
	call
	nonce  uint64
	signer types.Signer
}

func (r request) sign(signer types.Signer, data types.TxData) *types.Transaction {
	return types.MustSignNewTx(r.key, signer, data)
}

const gasLimit = 150_000

var (
	tip    = big.NewInt(1_000_000)
	feeCap = big.NewInt(3_000_000_000)
	list   = types.AccessList{{Address: emitter, StorageKeys: []common.Hash{{1}, {2}}}}
)

// envelopes make transactions of every type that there is before Isthmus.
var envelopes = []func(request) *types.Transaction{
	func(r request) *types.Transaction {
		return r.sign(r.signer, &types.LegacyTx{Nonce: r.nonce, GasPrice: feeCap, Gas: gasLimit, To: r.to, Value: r.value, Data: r.data})
	},
	func(r request) *types.Transaction {
		return r.sign(r.signer, &types.DynamicFeeTx{ChainID: r.signer.ChainID(), Nonce: r.nonce, GasTipCap: tip, GasFeeCap: feeCap,
			Gas: gasLimit, To: r.to, Value: r.value, Data: r.data})
	},
	func(r request) *types.Transaction {
		return r.sign(r.signer, &types.AccessListTx{ChainID: r.signer.ChainID(), Nonce: r.nonce, GasPrice: feeCap,
			Gas: gasLimit, To: r.to, Value: r.value, Data: r.data, AccessList: list})
	},
	func(r request) *types.Transaction { // of no chain
		return r.sign(types.HomesteadSigner{}, &types.LegacyTx{Nonce: r.nonce, GasPrice: feeCap, Gas: gasLimit, To: r.to, Value: r.value, Data: r.data})
	},
}

// setCode makes a transaction that lets another account act as the emitter. It
// cannot create.
func setCode(r request) *types.Transaction {
	to := emitter
	if r.to != nil {
		to = *r.to
	}
	id := uint256.MustFromBig(r.signer.ChainID())
	other := must(crypto.ToECDSA(crypto.Keccak256([]byte("authority"), to[:])))
	authorization := must(types.SignSetCode(other, types.SetCodeAuthorization{ChainID: *id, Address: emitter}))
	return r.sign(r.signer, &types.SetCodeTx{ChainID: id, Nonce: r.nonce, GasTipCap: uint256.MustFromBig(tip), GasFeeCap: uint256.MustFromBig(feeCap),
		Gas: gasLimit, To: to, Value: uint256.MustFromBig(r.value), Data: r.data, AuthList: []types.SetCodeAuthorization{authorization}})
}
