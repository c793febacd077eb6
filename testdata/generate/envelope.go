package main

import (
	"crypto/ecdsa"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

const (
	senders     = 13 // accounts that send transactions
	authorities = 8  // accounts that authorize code (EIP-7702)
)

// An account is a key and its address.
type account struct {
	key     *ecdsa.PrivateKey
	address common.Address
}

// sender returns the i-th of the accounts that send transactions.
func sender(i int) account { return accountOf(noise("sender %d", i)) }

// authority returns the i-th of the accounts that authorize code.
func authority(i int) account { return accountOf(noise("authority %d", i)) }

func accountOf(secret common.Hash) account {
	key := must(crypto.ToECDSA(secret[:]))
	return account{key, crypto.PubkeyToAddress(key.PublicKey)}
}

// An envelope wraps a call in a transaction of one type, and signs it.
type envelope func(b *block, from account, c call) *types.Transaction

// envelopes returns what block n can hold, in the order in which the forks
// brought them.
func envelopes(n uint64) []envelope {
	all := []envelope{unprotected}
	for _, e := range []struct {
		since uint64
		envelope
	}{
		{eip158, protected},
		{berlin, withAccessList},
		{london, dynamicFee},
		{cancun, withBlobs},
		{prague, withAuthorizations},
	} {
		if n >= e.since {
			all = append(all, e.envelope)
		}
	}
	return all
}

// unprotected is a legacy transaction of no chain in particular: v is 27 or 28.
func unprotected(b *block, from account, c call) *types.Transaction {
	return types.MustSignNewTx(from.key, types.HomesteadSigner{}, legacy(b, from, c))
}

// protected is a legacy transaction with the chain's id in v (EIP-155).
func protected(b *block, from account, c call) *types.Transaction {
	return sign(from, legacy(b, from, c))
}

func legacy(b *block, from account, c call) *types.LegacyTx {
	return &types.LegacyTx{
		Nonce: b.TxNonce(from.address), GasPrice: b.gasPrice(), Gas: c.gas,
		To: c.to, Value: c.value, Data: c.data,
	}
}

func withAccessList(b *block, from account, c call) *types.Transaction {
	return sign(from, &types.AccessListTx{
		ChainID: big.NewInt(chainID), Nonce: b.TxNonce(from.address), GasPrice: b.gasPrice(), Gas: c.gas,
		To: c.to, Value: c.value, Data: c.data,
		AccessList: accessList(1 + b.seq%3),
	})
}

func dynamicFee(b *block, from account, c call) *types.Transaction {
	return sign(from, &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: b.TxNonce(from.address), Gas: c.gas,
		GasTipCap: b.tip(), GasFeeCap: b.feeCap(),
		To: c.to, Value: c.value, Data: c.data,
		AccessList: accessList(b.seq % 3),
	})
}

// withBlobs names one to six blobs. A block holds hashes of blobs, not blobs,
// so these need not exist. A creation cannot name any.
func withBlobs(b *block, from account, c call) *types.Transaction {
	if c.to == nil {
		return dynamicFee(b, from, c)
	}
	return nameBlobs(b, from, c, 1+b.seq%6)
}

// withAllBlobs names as many blobs as one transaction can.
func withAllBlobs(b *block, from account, c call) *types.Transaction {
	return nameBlobs(b, from, c, params.BlobTxMaxBlobs)
}

// nameBlobs names n blobs, or as many as the block has room for.
func nameBlobs(b *block, from account, c call, n int) *types.Transaction {
	n = min(n, b.blobsLeft())
	if n == 0 {
		return dynamicFee(b, from, c)
	}
	b.blobs += n
	hashes := make([]common.Hash, n)
	for i := range hashes {
		hashes[i] = plain(1, uint64(b.seq+i)) // version 1: of a KZG commitment
	}
	return sign(from, &types.BlobTx{
		ChainID: uint256.NewInt(chainID), Nonce: b.TxNonce(from.address), Gas: c.gas,
		GasTipCap: uint256.MustFromBig(b.tip()), GasFeeCap: uint256.MustFromBig(b.feeCap()),
		To: *c.to, Value: orZero(c.value), Data: c.data,
		AccessList: accessList(b.seq % 2),
		BlobFeeCap: uint256.NewInt(params.GWei), BlobHashes: hashes,
	})
}

// withAuthorizations lets one account run the caller contract's code, on this
// chain or on any, and holds a second authorization whose nonce is wrong. A
// creation cannot hold authorizations.
func withAuthorizations(b *block, from account, c call) *types.Transaction {
	if c.to == nil {
		return dynamicFee(b, from, c)
	}
	who := authority(b.seq % authorities)
	auth := types.SetCodeAuthorization{Address: caller, Nonce: b.TxNonce(who.address)}
	if b.seq%2 == 0 {
		auth.ChainID = *uint256.NewInt(chainID)
	}
	if b.seq%5 == 0 {
		auth.Address = common.Address{} // takes the code away again
	}
	wrong := auth
	wrong.Nonce += 1 << 40
	return sign(from, &types.SetCodeTx{
		ChainID: uint256.NewInt(chainID), Nonce: b.TxNonce(from.address), Gas: c.gas + 100_000,
		GasTipCap: uint256.MustFromBig(b.tip()), GasFeeCap: uint256.MustFromBig(b.feeCap()),
		To: *c.to, Value: orZero(c.value), Data: c.data,
		AccessList: accessList(b.seq % 2),
		AuthList:   []types.SetCodeAuthorization{must(types.SignSetCode(who.key, auth)), must(types.SignSetCode(who.key, wrong))},
	})
}

// accessList names n contracts, each with one storage key more than the one
// before it.
func accessList(n int) types.AccessList {
	contracts := []common.Address{emitter(0), erc20Token, erc721Token}
	list := types.AccessList{}
	for i := range n {
		keys := []common.Hash{}
		for k := range i {
			keys = append(keys, common.BigToHash(big.NewInt(int64(k))))
		}
		list = append(list, types.AccessTuple{Address: contracts[i], StorageKeys: keys})
	}
	return list
}

func sign(from account, tx types.TxData) *types.Transaction {
	return types.MustSignNewTx(from.key, types.LatestSignerForChainID(big.NewInt(chainID)), tx)
}

func orZero(value *big.Int) *uint256.Int {
	if value == nil {
		return new(uint256.Int)
	}
	return uint256.MustFromBig(value)
}

// must returns v. Nothing here depends on the world outside, so an error is a
// mistake in this program.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
