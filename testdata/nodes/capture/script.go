package main

import (
	"context"
	"fmt"
	"log"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

var (
	somebody = common.HexToAddress("0x00000000000000000000000000000000005eb0d1")
	whale    = common.HexToAddress("0x1111111111111111111111111111111111111111")
	whale2   = common.HexToAddress("0x2222222222222222222222222222222222222222")

	gasPrice = big.NewInt(50 * params.GWei)
	tip      = big.NewInt(params.GWei)
)

// script makes the blocks of a recording.
func (m *maker) script(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		m.nodeSigned, m.plain, m.contracts, m.crowd, m.blobs, m.withdrawals, m.impersonated,
		m.setCode, // last: geth holds back all but one transaction of an account that has code
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if m.kind.automine {
		return m.nextBlock(ctx) // an empty one
	}
	return nil
}

// step is one transaction of a list.
type step struct {
	name string
	tx   func(nonce uint64) types.TxData
}

func (m *maker) sendAll(ctx context.Context, steps []step) (last *receipt, err error) {
	for _, s := range steps {
		r, err := m.send(ctx, s.name, s.tx(m.nonce))
		if err != nil {
			return nil, err
		}
		if r != nil {
			last = r
		}
	}
	return last, nil
}

// nodeSigned funds the maker's account and has the node sign each type.
func (m *maker) nodeSigned(ctx context.Context) error {
	fund, err := m.ask(ctx, "node signs, funds", map[string]any{
		"from": m.node, "to": m.from, "value": (*hexutil.Big)(ethers(50)), "gasPrice": (*hexutil.Big)(gasPrice),
	})
	if err != nil || fund == nil {
		return fmt.Errorf("cannot fund the account: %w", err)
	}
	if _, err := m.ask(ctx, "node signs, access list", map[string]any{
		"from": m.node, "to": somebody, "value": "0x1", "gasPrice": (*hexutil.Big)(gasPrice),
		"accessList": types.AccessList{{Address: somebody, StorageKeys: []common.Hash{{1}}}},
	}); err != nil {
		return err
	}
	_, err = m.ask(ctx, "node signs, dynamic fee", map[string]any{
		"from": m.node, "to": somebody, "value": "0x1", "input": "0x01",
		"maxFeePerGas": (*hexutil.Big)(gasPrice), "maxPriorityFeePerGas": (*hexutil.Big)(tip),
	})
	return err
}

// plain moves value with types 0 to 2.
func (m *maker) plain(ctx context.Context) error {
	if _, err := m.sendSigned(ctx, "unprotected", types.HomesteadSigner{}, m.legacy(m.nonce, &somebody, nil)); err != nil {
		return err
	}
	_, err := m.sendAll(ctx, []step{
		{"legacy", func(n uint64) types.TxData { return m.legacy(n, &somebody, []byte{0, 0xff}) }},
		{"access list", func(n uint64) types.TxData {
			return &types.AccessListTx{
				ChainID: m.chainID, Nonce: n, GasPrice: gasPrice, Gas: gasFor(&somebody), To: &somebody, Value: big.NewInt(1),
				AccessList: types.AccessList{{Address: somebody, StorageKeys: []common.Hash{{}, {31: 1}}}, {Address: whale}},
			}
		}},
		{"dynamic fee", func(n uint64) types.TxData { return m.dynamic(n, &somebody, nil) }},
		{"dynamic fee, access list", func(n uint64) types.TxData {
			tx := m.dynamic(n, &somebody, nil)
			tx.AccessList = types.AccessList{{Address: somebody}}
			return tx
		}},
		{"to itself, no value", func(n uint64) types.TxData {
			tx := m.dynamic(n, &m.from, nil)
			tx.Value = nil
			return tx
		}},
	})
	return err
}

// contracts creates, calls, and fails at both.
func (m *maker) contracts(ctx context.Context) error {
	token, err := m.create(ctx)
	if err != nil {
		return err
	}
	failing := code{}.push(0).push(0).bytes([]byte{0xfd})
	_, err = m.sendAll(ctx, append([]step{
		{"creation fails, type 0", func(n uint64) types.TxData { return m.legacy(n, nil, failing) }},
		{"creation fails, type 2", func(n uint64) types.TxData { return m.dynamic(n, nil, failing) }},
		{"creation of nothing", func(n uint64) types.TxData { return m.legacy(n, nil, nil) }},
		{"call reverts, type 0", func(n uint64) types.TxData { return m.legacy(n, &token, input(reverts, word(7))) }},
		{"call reverts, type 1", func(n uint64) types.TxData {
			return &types.AccessListTx{ChainID: m.chainID, Nonce: n, GasPrice: gasPrice, Gas: gasFor(&somebody), To: &token, Data: input(reverts, word(7))}
		}},
		{"call reverts, type 2", func(n uint64) types.TxData { return m.dynamic(n, &token, input(reverts, word(7))) }},
		{"call runs out of gas", func(n uint64) types.TxData { return m.legacy(n, &token, input(invalid)) }},
	}, m.events(token)...))
	return err
}

// create creates the contract, once by each of two types, and returns the
// address of the second.
func (m *maker) create(ctx context.Context) (common.Address, error) {
	if _, err := m.send(ctx, "creation, type 2", m.dynamic(m.nonce, nil, creation())); err != nil {
		return common.Address{}, err
	}
	r, err := m.send(ctx, "creation, type 0", m.legacy(m.nonce, nil, creation()))
	if err != nil || r == nil || r.Status != 1 || r.ContractAddress == nil {
		return common.Address{}, fmt.Errorf("creation: %+v, %v", r, err)
	}
	return *r.ContractAddress, nil
}

// events are calls that emit.
func (m *maker) events(token common.Address) []step {
	me, to := address(m.from), address(somebody)
	call := func(name string, data []byte) step {
		return step{name, func(n uint64) types.TxData { return m.dynamic(n, &token, data) }}
	}
	return []step{
		call("ERC-20", input(transfer20, to, word(1_000_000))),
		call("ERC-721", input(transfer721, me, to, word(42))),
		call("ERC-1155", input(transfer1155, me, to, word(9), word(3), word(5*32), word(0))),
		call("ERC-1155 batch", input(transfers1155, me, to, word(0xa0), word(0x100), word(0x160),
			word(2), word(9), word(10), word(2), word(3), word(4), word(0))),
		call("logs of 0 to 4 topics", input(allLogs)),
		{"ERC-20, type 0", func(n uint64) types.TxData { return m.legacy(n, &token, input(transfer20, to, word(0))) }},
	}
}

// blobs sends a transaction with two blobs, its sidecar in the version that
// the node takes.
func (m *maker) blobs(ctx context.Context) error {
	for _, version := range []byte{types.BlobSidecarVersion1, types.BlobSidecarVersion0} {
		sidecar, err := newSidecar(version)
		if err != nil {
			return err
		}
		r, err := m.send(ctx, fmt.Sprintf("blobs, sidecar version %d", version), &types.BlobTx{
			ChainID: uint256.MustFromBig(m.chainID), Nonce: m.nonce, Gas: gasFor(&somebody), To: somebody, Value: uint256.NewInt(1),
			GasFeeCap: uint256.MustFromBig(gasPrice), GasTipCap: uint256.MustFromBig(tip), BlobFeeCap: uint256.NewInt(params.GWei),
			BlobHashes: sidecar.BlobHashes(), Sidecar: sidecar,
		})
		if err != nil || r != nil {
			return err
		}
	}
	return nil
}

func newSidecar(version byte) (*types.BlobTxSidecar, error) {
	var (
		blobs       = make([]kzg4844.Blob, 2)
		commitments []kzg4844.Commitment
		proofs      []kzg4844.Proof
	)
	for i := range blobs {
		blobs[i][1] = byte(i + 1)
		commitment, err := kzg4844.BlobToCommitment(&blobs[i])
		if err != nil {
			return nil, err
		}
		commitments = append(commitments, commitment)
		if version == types.BlobSidecarVersion0 {
			proof, err := kzg4844.ComputeBlobProof(&blobs[i], commitment)
			if err != nil {
				return nil, err
			}
			proofs = append(proofs, proof)
			continue
		}
		cells, err := kzg4844.ComputeCellProofs(&blobs[i])
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, cells...)
	}
	return types.NewBlobTxSidecar(version, blobs, commitments, proofs), nil
}

// setCode sends a type 4 transaction with an authorization that holds for the
// chain, one for any chain, and one that has no effect; then calls the account.
func (m *maker) setCode(ctx context.Context) error {
	var auths []types.SetCodeAuthorization
	for _, a := range []types.SetCodeAuthorization{
		{ChainID: *uint256.MustFromBig(m.chainID), Address: somebody, Nonce: m.nonce + 1},
		{Address: whale, Nonce: m.nonce + 2},
		{Address: common.Address{}, Nonce: m.nonce + 99},
	} {
		signed, err := types.SignSetCode(m.key, a)
		if err != nil {
			return err
		}
		auths = append(auths, signed)
	}
	r, err := m.send(ctx, "set code", &types.SetCodeTx{
		ChainID: uint256.MustFromBig(m.chainID), Nonce: m.nonce, Gas: 2_000_000, To: somebody, Value: uint256.NewInt(1),
		GasFeeCap: uint256.MustFromBig(gasPrice), GasTipCap: uint256.MustFromBig(tip), AuthList: auths,
	})
	if err != nil || r == nil {
		return err
	}
	m.nonce += 2 // each authorization that held counts
	return nil
}

// crowd puts transactions of every type that emit into one block.
func (m *maker) crowd(ctx context.Context) error {
	token, err := m.create(ctx)
	if err != nil {
		return err
	}
	return m.together(ctx, func() (*receipt, error) {
		steps := append(m.events(token),
			step{"reverts", func(n uint64) types.TxData { return m.legacy(n, &token, input(reverts, word(1))) }},
			step{"access list", func(n uint64) types.TxData {
				return &types.AccessListTx{ChainID: m.chainID, Nonce: n, GasPrice: gasPrice, Gas: gasFor(&somebody), To: &token, Data: input(allLogs)}
			}})
		return m.sendAll(ctx, append(steps, m.events(token)...))
	})
}

// withdrawals adds two, which only geth's development mode can.
func (m *maker) withdrawals(ctx context.Context) error {
	for i := range 2 {
		if err := m.call(ctx, nil, "dev_addWithdrawal", map[string]any{
			"index": hexutil.Uint64(i), "validatorIndex": hexutil.Uint64(70_000 + i), "address": somebody, "amount": hexutil.Uint64(32 * params.GWei),
		}); err != nil {
			log.Printf("  refused: withdrawals: %v", err)
			return nil
		}
	}
	return m.nextBlock(ctx)
}

// impersonated sends from accounts whose key nobody has.
func (m *maker) impersonated(ctx context.Context) error {
	if m.kind.impersonate == nil {
		return nil
	}
	token, err := m.create(ctx)
	if err != nil {
		return err
	}
	for _, a := range []common.Address{whale, whale2, token} {
		if err := m.open(ctx, a); err != nil {
			return err
		}
	}
	fees := map[string]map[string]any{
		"type 0": {"gasPrice": (*hexutil.Big)(gasPrice)},
		"type 1": {"gasPrice": (*hexutil.Big)(gasPrice), "accessList": types.AccessList{{Address: token, StorageKeys: []common.Hash{}}}},
		"type 2": {"maxFeePerGas": (*hexutil.Big)(gasPrice), "maxPriorityFeePerGas": (*hexutil.Big)(tip)},
	}
	to := hexutil.Bytes(input(transfer20, address(somebody), word(5)))
	for _, r := range []struct {
		name, fee string
		request   map[string]any
	}{
		{"transfer", "type 0", map[string]any{"from": whale, "to": somebody, "value": "0x1"}},
		{"the same of another", "type 0", map[string]any{"from": whale2, "to": somebody, "value": "0x1"}},
		{"transfer", "type 2", map[string]any{"from": whale, "to": somebody, "value": "0x1"}},
		{"the same of another", "type 2", map[string]any{"from": whale2, "to": somebody, "value": "0x1"}},
		{"transfer", "type 1", map[string]any{"from": whale, "to": somebody, "value": "0x1"}},
		{"ERC-20", "type 2", map[string]any{"from": whale, "to": token, "data": to}},
		{"reverted", "type 2", map[string]any{"from": whale, "to": token, "data": hexutil.Bytes(input(reverts, word(1)))}},
		{"creation", "type 0", map[string]any{"from": whale, "data": hexutil.Bytes(creation())}},
		{"creation", "type 2", map[string]any{"from": whale2, "data": hexutil.Bytes(creation())}},
		{"from a contract", "type 0", map[string]any{"from": token, "to": somebody, "value": "0x1"}},
		{"from a contract", "type 2", map[string]any{"from": token, "to": somebody, "value": "0x1"}},
	} {
		for k, v := range fees[r.fee] {
			r.request[k] = v
		}
		if _, err := m.ask(ctx, strings.Join([]string{"impersonated", r.name, r.fee}, ", "), r.request); err != nil {
			return err
		}
	}
	return nil
}

// open gives an account 10 ether and lets the node send for it.
func (m *maker) open(ctx context.Context, a common.Address) error {
	for _, method := range m.kind.impersonate {
		params := []any{a}
		switch method {
		case "evm_addAccount":
			params = append(params, "")
		case "personal_unlockAccount":
			params = append(params, "", 0)
		case "anvil_setBalance", "hardhat_setBalance", "evm_setAccountBalance":
			params = append(params, "0x8ac7230489e80000")
		}
		if err := m.call(ctx, nil, method, params...); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) legacy(nonce uint64, to *common.Address, data []byte) *types.LegacyTx {
	return &types.LegacyTx{Nonce: nonce, GasPrice: gasPrice, Gas: gasFor(to), To: to, Value: valueFor(to, data), Data: data}
}

func (m *maker) dynamic(nonce uint64, to *common.Address, data []byte) *types.DynamicFeeTx {
	return &types.DynamicFeeTx{
		ChainID: m.chainID, Nonce: nonce, GasFeeCap: gasPrice, GasTipCap: tip,
		Gas: gasFor(to), To: to, Value: valueFor(to, data), Data: data,
	}
}

func gasFor(to *common.Address) uint64 {
	if to == nil {
		return 5_000_000 // from Amsterdam on, storing code costs many times more
	}
	return 200_000
}

func ethers(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(params.Ether)) }

// valueFor returns what a transaction moves: nothing where it creates or calls.
func valueFor(to *common.Address, data []byte) *big.Int {
	if to == nil || len(data) >= 4 {
		return new(big.Int)
	}
	return big.NewInt(12_345_678_901)
}
