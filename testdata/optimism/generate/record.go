package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"
)

// client follows the form in which a release of op-geth answers
// web3_clientVersion; the commit, which is in it too, is not known here.
const client = "Geth/v1.101702.3-stable/linux-amd64/go1.26.8"

// A recording begins with one line that tells of the node. Every further line
// is a block, from genesis on: see ../../chain/README.md.
type recording struct {
	Client  string         `json:"client"`
	ChainID hexutil.Uint64 `json:"chainId"`
}

type recordedBlock struct {
	Block    json.RawMessage `json:"block"`
	Receipts json.RawMessage `json:"receipts"`
}

// record imports c into an op-geth and returns what it answers.
func record(c *chain) ([]byte, error) {
	answers, stop, err := serve(c)
	if err != nil {
		return nil, err
	}
	defer stop()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	if err := enc.Encode(recording{client, chainID}); err != nil {
		return nil, err
	}
	for n := range uint64(len(c.blocks)) + 1 {
		var b recordedBlock
		if err := answers.CallContext(context.Background(), &b.Block, "eth_getBlockByNumber", hexutil.Uint64(n), true); err != nil {
			return nil, fmt.Errorf("block %d: %w", n, err)
		}
		if err := answers.CallContext(context.Background(), &b.Receipts, "eth_getBlockReceipts", hexutil.Uint64(n)); err != nil {
			return nil, fmt.Errorf("receipts of block %d: %w", n, err)
		}
		if err := enc.Encode(b); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

// serve starts an op-geth in memory that has imported c.
func serve(c *chain) (answers *rpc.Client, stop func() error, err error) {
	stack, err := node.New(&node.Config{P2P: p2p.Config{NoDiscovery: true, NoDial: true}})
	if err != nil {
		return nil, nil, err
	}
	config := ethconfig.Defaults
	config.Genesis, config.NetworkId = c.genesis, chainID
	config.SyncMode, config.NoPruning, config.StateScheme = ethconfig.FullSync, true, "hash"
	backend, err := eth.New(stack, &config)
	if err != nil {
		return nil, nil, err
	}
	if err := stack.Start(); err != nil {
		return nil, nil, err
	}
	if n, err := backend.BlockChain().InsertChain(c.blocks); err != nil {
		return nil, nil, fmt.Errorf("block %d is refused: %w", n+1, err)
	}
	return stack.Attach(), stack.Close, nil
}
