// Load makes a long chain of blocks that are alike, for a real geth to serve
// under load:
//
//	go run ./load -out DIR -blocks 2000 -transactions 11
//
// It leaves genesis.json, which geth init takes, and chain.rlp, which geth
// import takes. The same flags give the same chain. With -salt, the blocks from
// -fork on are others: two chains to go from one to the other.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

const (
	chainID = 4242
	senders = 20
	gas     = 100_000
)

func main() {
	var m maker
	out := flag.String("out", ".", "`folder` of the files")
	flag.IntVar(&m.blocks, "blocks", 2000, "how many above genesis")
	flag.IntVar(&m.transactions, "transactions", 11, "in each of them")
	flag.IntVar(&m.fork, "fork", 1, "first block that -salt makes another")
	flag.StringVar(&m.salt, "salt", "", "text that makes blocks others")
	flag.Parse()
	if err := m.write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// A maker makes one chain.
type maker struct {
	blocks, transactions, fork int
	salt                       string

	keys   [senders]*ecdsa.PrivateKey
	signer types.Signer
	sent   int
}

func (m *maker) write(dir string) error {
	genesis := m.genesis()
	m.signer = types.LatestSigner(genesis.Config)
	_, blocks, _ := core.GenerateChainWithGenesis(genesis, beacon.New(ethash.NewFaker()), m.blocks, m.fill)
	text, err := json.Marshal(genesis)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "genesis.json"), text, 0o666); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "chain.rlp"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, b := range blocks {
		if err := b.EncodeRLP(w); err != nil {
			return errors.Join(fmt.Errorf("block %d: %w", b.NumberU64(), err), f.Close())
		}
	}
	return errors.Join(w.Flush(), f.Close())
}

// token is a contract that emits Transfer(caller, first word, second word).
var token = common.HexToAddress("0x7000000000000000000000000000000000000001")

func tokenCode() []byte {
	code := []byte{
		byte(vm.PUSH1), 0x20, byte(vm.CALLDATALOAD), byte(vm.PUSH1), 0, byte(vm.MSTORE),
		byte(vm.PUSH1), 0, byte(vm.CALLDATALOAD), byte(vm.CALLER), byte(vm.PUSH32),
	}
	code = append(code, crypto.Keccak256([]byte("Transfer(address,address,uint256)"))...)
	return append(code, byte(vm.PUSH1), 0x20, byte(vm.PUSH1), 0, byte(vm.LOG3), byte(vm.STOP))
}

// genesis has all forks up to Prague from the start.
func (m *maker) genesis() *core.Genesis {
	config := *params.MergedTestChainConfig
	config.ChainID = big.NewInt(chainID)
	config.OsakaTime, config.BPO1Time, config.BPO2Time = nil, nil, nil
	config.AmsterdamTime, config.BogotaTime, config.UBTTime = nil, nil, nil
	alloc := types.GenesisAlloc{
		params.BeaconRootsAddress:        {Nonce: 1, Code: params.BeaconRootsCode, Balance: new(big.Int)},
		params.HistoryStorageAddress:     {Nonce: 1, Code: params.HistoryStorageCode, Balance: new(big.Int)},
		params.WithdrawalQueueAddress:    {Nonce: 1, Code: params.WithdrawalQueueCode, Balance: new(big.Int)},
		params.ConsolidationQueueAddress: {Nonce: 1, Code: params.ConsolidationQueueCode, Balance: new(big.Int)},
		token:                            {Nonce: 1, Code: tokenCode(), Balance: new(big.Int)},
	}
	for i := range m.keys {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i), 1}))
		if err != nil {
			panic(err) // a hash is a key but for one in 2^128
		}
		m.keys[i] = key
		alloc[crypto.PubkeyToAddress(key.PublicKey)] = types.Account{Balance: new(big.Int).Lsh(common.Big1, 200)}
	}
	return &core.Genesis{Config: &config, Alloc: alloc, GasLimit: 30_000_000, Difficulty: new(big.Int), BaseFee: big.NewInt(params.GWei)}
}

// fill fills block i+1: the chain maker counts from zero.
func (m *maker) fill(i int, b *core.BlockGen) {
	if i+1 >= m.fork {
		b.SetExtra([]byte(m.salt))
	}
	for range m.transactions {
		b.AddTx(m.transaction(b))
	}
}

func (m *maker) transaction(b *core.BlockGen) *types.Transaction {
	key := m.keys[m.sent%senders]
	m.sent++
	to := common.BigToAddress(big.NewInt(int64(100_000 + m.sent*7919%5000)))
	data := append(common.LeftPadBytes(to.Bytes(), 32), common.BigToHash(big.NewInt(int64(m.sent))).Bytes()...)
	return types.MustSignNewTx(key, m.signer, &types.DynamicFeeTx{
		ChainID: big.NewInt(chainID), Nonce: b.TxNonce(crypto.PubkeyToAddress(key.PublicKey)),
		GasTipCap: common.Big1, GasFeeCap: big.NewInt(10 * params.GWei), Gas: gas, To: &token, Data: data,
	})
}
