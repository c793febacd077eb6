//go:build unix

package chain_test

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/node/recorded"
)

// Benchmarks of what is done with each block before it is stored. Compare runs
// with benchstat, of several counts and -cpu 1:
//
//	go test -run '^$' -bench . -count 10 -cpu 1 ./internal/chain

// A size is how many transactions a block has, and logs each of them.
type size struct{ transactions, logs int }

func (s size) String() string {
	return fmt.Sprintf("txs=%d/logs=%d", s.transactions, s.transactions*s.logs)
}

var sizes = []size{{0, 0}, {10, 1}, {100, 2}, {300, 2}}

// made is a block of that size, as a node answers for it.
func (s size) made() recorded.Block {
	c := devchain.Build(devchain.Spec{Blocks: 1, Transactions: s.transactions, Logs: s.logs})
	return c.Blocks[1]
}

// cpuTime is what the process has used, garbage collection included. On a
// machine that others use too it says more than the time on the clock.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.String(), func(b *testing.B) {
			raw := s.made()
			b.SetBytes(int64(len(raw.Block) + len(raw.Receipts)))
			b.ReportAllocs()
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				block, err := chain.DecodeBlock(raw.Block)
				if err == nil {
					err = block.DecodeReceipts(raw.Receipts)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The measure for the decoder: encoding/json, of the same fields into structs
// that have tags, which keeps nothing of what is unknown.
func BenchmarkDecodeByTags(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.String(), func(b *testing.B) {
			raw := s.made()
			b.SetBytes(int64(len(raw.Block) + len(raw.Receipts)))
			b.ReportAllocs()
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				var block taggedBlock
				var receipts []taggedReceipt
				if err := json.Unmarshal(raw.Block, &block); err != nil {
					b.Fatal(err)
				}
				if err := json.Unmarshal(raw.Receipts, &receipts); err != nil {
					b.Fatal(err)
				}
				if len(block.Transactions) != s.transactions || len(receipts) != s.transactions {
					b.Fatal("not whole")
				}
			}
		})
	}
}

type (
	taggedBlock struct {
		Hash                  common.Hash         `json:"hash"`
		ParentHash            common.Hash         `json:"parentHash"`
		UnclesHash            common.Hash         `json:"sha3Uncles"`
		Miner                 common.Address      `json:"miner"`
		StateRoot             common.Hash         `json:"stateRoot"`
		TransactionsRoot      common.Hash         `json:"transactionsRoot"`
		ReceiptsRoot          common.Hash         `json:"receiptsRoot"`
		LogsBloom             hexutil.Bytes       `json:"logsBloom"`
		Difficulty            uint256.Int         `json:"difficulty"`
		Number                hexutil.Uint64      `json:"number"`
		GasLimit              hexutil.Uint64      `json:"gasLimit"`
		GasUsed               hexutil.Uint64      `json:"gasUsed"`
		Timestamp             hexutil.Uint64      `json:"timestamp"`
		ExtraData             hexutil.Bytes       `json:"extraData"`
		MixHash               common.Hash         `json:"mixHash"`
		Nonce                 hexutil.Bytes       `json:"nonce"`
		BaseFeePerGas         *uint256.Int        `json:"baseFeePerGas"`
		WithdrawalsRoot       *common.Hash        `json:"withdrawalsRoot"`
		BlobGasUsed           *hexutil.Uint64     `json:"blobGasUsed"`
		ExcessBlobGas         *hexutil.Uint64     `json:"excessBlobGas"`
		ParentBeaconBlockRoot *common.Hash        `json:"parentBeaconBlockRoot"`
		RequestsHash          *common.Hash        `json:"requestsHash"`
		Size                  *hexutil.Uint64     `json:"size"`
		Transactions          []taggedTransaction `json:"transactions"`
		Uncles                []common.Hash       `json:"uncles"`
		Withdrawals           []taggedWithdrawal  `json:"withdrawals"`
	}
	taggedTransaction struct {
		taggedPlace
		Hash                 common.Hash     `json:"hash"`
		Type                 hexutil.Uint64  `json:"type"`
		From                 common.Address  `json:"from"`
		To                   *common.Address `json:"to"`
		Nonce                hexutil.Uint64  `json:"nonce"`
		Gas                  hexutil.Uint64  `json:"gas"`
		GasPrice             *uint256.Int    `json:"gasPrice"`
		MaxFeePerGas         *uint256.Int    `json:"maxFeePerGas"`
		MaxPriorityFeePerGas *uint256.Int    `json:"maxPriorityFeePerGas"`
		Value                uint256.Int     `json:"value"`
		Input                hexutil.Bytes   `json:"input"`
		ChainID              *uint256.Int    `json:"chainId"`
		AccessList           []struct {
			Address     common.Address `json:"address"`
			StorageKeys []common.Hash  `json:"storageKeys"`
		} `json:"accessList"`
		V       uint256.Int     `json:"v"`
		R       uint256.Int     `json:"r"`
		S       uint256.Int     `json:"s"`
		YParity *hexutil.Uint64 `json:"yParity"`
	}
	taggedReceipt struct {
		taggedPlace
		TransactionHash   common.Hash     `json:"transactionHash"`
		Status            *hexutil.Uint64 `json:"status"`
		CumulativeGasUsed hexutil.Uint64  `json:"cumulativeGasUsed"`
		GasUsed           hexutil.Uint64  `json:"gasUsed"`
		ContractAddress   *common.Address `json:"contractAddress"`
		EffectiveGasPrice *uint256.Int    `json:"effectiveGasPrice"`
		LogsBloom         hexutil.Bytes   `json:"logsBloom"`
		From              common.Address  `json:"from"`
		To                *common.Address `json:"to"`
		Type              hexutil.Uint64  `json:"type"`
		Logs              []taggedLog     `json:"logs"`
	}
	taggedLog struct {
		taggedPlace
		TransactionHash common.Hash    `json:"transactionHash"`
		Address         common.Address `json:"address"`
		Topics          []common.Hash  `json:"topics"`
		Data            hexutil.Bytes  `json:"data"`
		LogIndex        hexutil.Uint64 `json:"logIndex"`
		Removed         bool           `json:"removed"`
	}
	taggedPlace struct {
		BlockHash        common.Hash    `json:"blockHash"`
		BlockNumber      hexutil.Uint64 `json:"blockNumber"`
		BlockTimestamp   hexutil.Uint64 `json:"blockTimestamp"`
		TransactionIndex hexutil.Uint64 `json:"transactionIndex"`
	}
	taggedWithdrawal struct {
		Index          hexutil.Uint64 `json:"index"`
		ValidatorIndex hexutil.Uint64 `json:"validatorIndex"`
		Address        common.Address `json:"address"`
		Amount         hexutil.Uint64 `json:"amount"`
	}
)

// The checks of a block that is far below the head.
func BenchmarkVerify(b *testing.B) {
	for _, s := range sizes {
		b.Run(s.String(), func(b *testing.B) {
			block := mustDecode(b, s.made())
			b.ReportAllocs()
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				if v := chain.Verify(block, chain.QuickChecks); v.Passed != chain.QuickChecks {
					b.Fatal(v.Why)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
		})
	}
}

// What a sender costs, which is checked near the head.
func BenchmarkVerifySenders(b *testing.B) {
	block := mustDecode(b, size{10, 1}.made())
	defer reportCPU(b, cpuTime())
	for b.Loop() {
		if v := chain.Verify(block, chain.Senders); !v.Verified() {
			b.Fatal(v.Why)
		}
	}
	b.ReportMetric(float64(b.N)*10/b.Elapsed().Seconds(), "senders/s")
}

// What a node's answer costs to give it again.
func BenchmarkEncode(b *testing.B) {
	block := mustDecode(b, size{10, 1}.made())
	b.ReportAllocs()
	defer reportCPU(b, cpuTime())
	var out []byte
	for b.Loop() {
		out = block.AppendReceipts(block.AppendBlock(out[:0], true))
	}
	b.SetBytes(int64(len(out)))
}
