package chain_test

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
)

// These tests compare with go-ethereum what this package computes by itself.

// listroot.golden has a line for each length of a list, with the first 8 bytes
// of the roots that types.DeriveSha of go-ethereum 1.17.10 gives with a
// trie.NewStackTrie for listItems of up to 3, 40 and 600 bytes. Go-ethereum's
// trie is not in this module's build list, for what it would bring with it.
func TestListRoot(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/listroot.golden")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(golden)) {
		var n int
		var want [3]string
		if _, err := fmt.Sscan(line, &n, &want[0], &want[1], &want[2]); err != nil {
			t.Fatal(err)
		}
		for i, most := range []int{3, 40, 600} { // below 32 bytes, nodes are inside their parents
			root := chain.ListRoot(listItems(n, most))
			if got := hex.EncodeToString(root[:8]); got != want[i] {
				t.Errorf("%d items of up to %d bytes: %s, want %s", n, most, got, want[i])
			}
		}
		lines++
	}
	if lines != 305 {
		t.Errorf("%d lines", lines)
	}
}

func listItems(n, most int) [][]byte {
	items := make([][]byte, n)
	for i := range items {
		seed := crypto.Keccak256(binary.BigEndian.AppendUint64(nil, uint64(n)<<32|uint64(i)))
		items[i] = bytes.Repeat(seed, most/32+1)[:1+int(binary.BigEndian.Uint32(seed))%most]
	}
	return items
}

// signedTransactions are of every type, with and without EIP-155.
func signedTransactions(t *testing.T, chainID uint64) map[string]*types.Transaction {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("sender")))
	if err != nil {
		t.Fatal(err)
	}
	id, to := new(big.Int).SetUint64(chainID), common.Address{7}
	list := types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}, {2}}}, {Address: to, StorageKeys: []common.Hash{}}}
	authorization, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(chainID), Address: to, Nonce: 1 << 63})
	if err != nil {
		t.Fatal(err)
	}
	latest := types.LatestSignerForChainID(id)
	signed := map[string]*types.Transaction{}
	for name, tt := range map[string]struct {
		signer types.Signer
		data   types.TxData
	}{
		"frontier":    {types.FrontierSigner{}, &types.LegacyTx{Nonce: 1, GasPrice: big.NewInt(5), Gas: 21000, To: &to, Value: big.NewInt(9)}},
		"homestead":   {types.HomesteadSigner{}, &types.LegacyTx{GasPrice: big.NewInt(5), Data: []byte{0}}},
		"eip155":      {latest, &types.LegacyTx{Nonce: 1<<64 - 1, GasPrice: new(big.Int), To: &to}},
		"access list": {latest, &types.AccessListTx{ChainID: id, GasPrice: big.NewInt(5), AccessList: list}},
		"dynamic fee": {latest, &types.DynamicFeeTx{ChainID: id, GasFeeCap: big.NewInt(9), GasTipCap: new(big.Int), To: &to}},
		"blob": {latest, &types.BlobTx{ChainID: uint256.NewInt(chainID), BlobFeeCap: uint256.NewInt(3),
			BlobHashes: []common.Hash{{1}, {1, 2}}, AccessList: list}},
		"set code": {latest, &types.SetCodeTx{ChainID: uint256.NewInt(chainID), To: to,
			AuthList: []types.SetCodeAuthorization{authorization, {}}}},
	} {
		signed[name] = types.MustSignNewTx(key, tt.signer, tt.data)
	}
	return signed
}

func TestTransactionsOfGeth(t *testing.T) {
	for _, chainID := range []uint64{1, 1337, 1<<52 + 1, 1<<62 - 20} {
		for name, tx := range signedTransactions(t, chainID) {
			t.Run(fmt.Sprint(name, " ", chainID), func(t *testing.T) { checkTransaction(t, tx, chainID) })
		}
	}
}

// blockWith makes a block that has the transaction in it.
func blockWith(t *testing.T, tx *types.Transaction, chainID uint64) *chain.Block {
	t.Helper()
	id := new(big.Int).SetUint64(chainID)
	receipts := types.Receipts{{Type: tx.Type(), Status: 1, CumulativeGasUsed: 21000}}
	header := &types.Header{Number: big.NewInt(1), Difficulty: new(big.Int), BaseFee: big.NewInt(1),
		UncleHash: types.EmptyUncleHash, TxHash: rootOf(t, tx), ReceiptHash: rootOf(t, receipts[0])}
	block := types.NewBlockWithHeader(header).WithBody(types.Body{Transactions: types.Transactions{tx}})
	(*types.Receipt).DeriveFields(receipts[0], types.LatestSignerForChainID(id), types.DeriveReceiptContext{BlockHash: block.Hash(),
		BlockNumber: 1, BaseFee: header.BaseFee, BlobGasPrice: big.NewInt(1), GasUsed: 21000, Tx: tx})
	raw, err := devchain.Marshal(block, receipts, id)
	if err != nil {
		t.Fatal(err)
	}
	return mustDecode(t, raw)
}

// checkTransaction verifies a block that has the transaction in it, and spoils
// its signature.
func checkTransaction(t *testing.T, tx *types.Transaction, chainID uint64) {
	b := blockWith(t, tx, chainID)
	if v := chain.Verify(b, chain.AllChecks); v.Passed != chain.AllChecks {
		t.Errorf("not verified: %s", v.Why)
	}
	got := &b.Transactions[0]
	want, err := types.Sender(types.LatestSignerForChainID(new(big.Int).SetUint64(chainID)), tx)
	if from, ok := got.Sender(); !ok || err != nil || from != want {
		t.Errorf("sender %s, %v, want %s, %v", from, ok, want, err)
	}
	got.V.SetAllOne()
	if from, ok := got.Sender(); ok && from == want {
		t.Error("the same sender by a v that is not valid")
	}
	for _, v := range []uint64{2, 26, 29, 34} {
		got.V.SetUint64(v)
		if from, ok := got.Sender(); ok {
			t.Errorf("v %d: sender %s", v, from)
		}
	}
}

// rootOf is the root of a list of one.
func rootOf(t *testing.T, item encoding.BinaryMarshaler) common.Hash {
	t.Helper()
	encoded, err := item.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return chain.ListRoot([][]byte{encoded})
}

func TestBloomOfGeth(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		want, got := &types.Receipt{}, &chain.Receipt{}
		for range random.IntN(20) {
			log := chain.Log{Address: common.BigToAddress(new(big.Int).SetUint64(random.Uint64()))}
			for range random.IntN(5) {
				log.Topics = append(log.Topics, common.BigToHash(new(big.Int).SetUint64(random.Uint64())))
			}
			got.Logs = append(got.Logs, log)
			want.Logs = append(want.Logs, &types.Log{Address: log.Address, Topics: log.Topics})
		}
		if types.CreateBloom(want) != types.Bloom(got.ComputeBloom()) {
			t.Fatalf("bloom of %d logs differs", len(got.Logs))
		}
	}
}
