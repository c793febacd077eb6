package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// client is what geth of the version in go.mod answers to web3_clientVersion.
const client = "Geth/v1.17.10-stable/linux-amd64/go1.26.8"

// A recording begins with one line that tells of the node. Every further line
// is a block, from genesis on, as the node gives it.
type recording struct {
	Client  string         `json:"client"`
	ChainID hexutil.Uint64 `json:"chainId"`
}

// A recorded block is what geth answers to eth_getBlockByNumber with full
// transactions, to eth_getBlockReceipts and, once for each uncle, to
// eth_getUncleByBlockNumberAndIndex.
type recordedBlock struct {
	Block    json.RawMessage   `json:"block"`
	Receipts json.RawMessage   `json:"receipts"`
	Uncles   []json.RawMessage `json:"uncles,omitempty"`
}

// record returns the recording of c.
func record(c *chain) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	if err := enc.Encode(recording{client, chainID}); err != nil {
		return nil, err
	}
	for n, b := range c.blocks {
		line, err := recordBlock(c.genesis.Config, b, c.receipts[n])
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", n, err)
		}
		if err := enc.Encode(line); err != nil {
			return nil, fmt.Errorf("block %d: %w", n, err)
		}
	}
	return buf.Bytes(), nil
}

func recordBlock(config *params.ChainConfig, b *types.Block, receipts types.Receipts) (*recordedBlock, error) {
	signer := types.MakeSigner(config, b.Number(), b.Time())
	txs, answers := []object{}, []object{}
	for i, tx := range b.Transactions() {
		from, err := types.Sender(signer, tx)
		if err != nil {
			return nil, fmt.Errorf("transaction %d: %w", i, err)
		}
		txs = append(txs, transactionObject(b, tx, receipts[i], from))
		answers = append(answers, receiptObject(tx, receipts[i], from))
	}
	block := headerObject(b)
	block.set("transactions", txs)
	hashes := []common.Hash{}
	line := new(recordedBlock)
	for _, uncle := range b.Uncles() {
		hashes = append(hashes, uncle.Hash())
		o := headerObject(types.NewBlockWithHeader(uncle))
		o.set("uncles", []common.Hash{})
		line.Uncles = append(line.Uncles, raw(o))
	}
	block.set("uncles", hashes)
	if b.Withdrawals() != nil {
		block.set("withdrawals", b.Withdrawals())
	}
	line.Block, line.Receipts = raw(block), raw(answers)
	return line, nil
}

// headerObject returns what geth says of a block, save what is in its body.
func headerObject(b *types.Block) object {
	o := fields(b.Header())
	o.set("size", hexutil.Uint64(b.Size()))
	return o
}

// transactionObject returns what geth says of a transaction in a block. Its
// gas price is the one that was paid.
func transactionObject(b *types.Block, tx *types.Transaction, r *types.Receipt, from common.Address) object {
	o := fields(tx)
	o.set("blockHash", b.Hash())
	o.set("blockNumber", hexutil.Uint64(b.NumberU64()))
	o.set("blockTimestamp", hexutil.Uint64(b.Time()))
	o.set("transactionIndex", hexutil.Uint(r.TransactionIndex))
	o.set("from", from)
	o.set("to", tx.To())
	o.set("gasPrice", (*hexutil.Big)(r.EffectiveGasPrice))
	return o
}

// receiptObject returns what geth says of a receipt. Up to Byzantium that is
// a state root and no status.
func receiptObject(tx *types.Transaction, r *types.Receipt, from common.Address) object {
	o := fields(r)
	if len(r.PostState) > 0 {
		delete(o, "status")
	} else {
		delete(o, "root")
	}
	if r.Logs == nil {
		o.set("logs", []*types.Log{})
	}
	if tx.To() != nil {
		o.set("contractAddress", nil)
	}
	o.set("from", from)
	o.set("to", tx.To())
	o.set("type", hexutil.Uint64(tx.Type()))
	return o
}

// An object is a JSON object that is not finished yet.
type object map[string]json.RawMessage

// fields returns v as go-ethereum marshals it, without the fields that are
// null: geth leaves those out of its answers.
func fields(v any) object {
	var o object
	if err := json.Unmarshal(raw(v), &o); err != nil {
		panic(err)
	}
	for name, value := range o {
		if string(value) == "null" {
			delete(o, name)
		}
	}
	return o
}

// set gives a field a value; nil is null.
func (o object) set(name string, value any) { o[name] = raw(value) }

func raw(v any) json.RawMessage { return must(json.Marshal(v)) }
