package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/e2e/nodes"
)

// The lines of a recording: one about the chain, then one for each block in
// order from genesis. What the node said is kept as its text.
type (
	chainLine struct {
		Client  json.RawMessage `json:"client"`
		ChainID json.RawMessage `json:"chainId"`
	}
	blockLine struct {
		Block    json.RawMessage   `json:"block"`
		Receipts json.RawMessage   `json:"receipts"`
		Uncles   []json.RawMessage `json:"uncles,omitempty"`
	}
)

// record writes every block of a node to a file.
func record(ctx context.Context, url, path string) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false) // the node's text is not ours to change

	var chain chainLine
	var err error
	if chain.Client, err = nodes.Call(ctx, url, "web3_clientVersion"); err != nil {
		return err
	}
	if chain.ChainID, err = nodes.Call(ctx, url, "eth_chainId"); err != nil {
		return err
	}
	if err := lines.Encode(chain); err != nil {
		return err
	}
	head, err := nodes.Call(ctx, url, "eth_blockNumber")
	if err != nil {
		return err
	}
	var last hexutil.Uint64
	if err := json.Unmarshal(head, &last); err != nil {
		return err
	}
	for n := range last + 1 {
		line, err := fetch(ctx, url, n)
		if err != nil {
			return err
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}

	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = zip.Write(text.Bytes())
	if err := errors.Join(err, zip.Close()); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

func fetch(ctx context.Context, url string, number hexutil.Uint64) (line blockLine, err error) {
	if line.Block, err = nodes.Call(ctx, url, "eth_getBlockByNumber", number, true); err != nil {
		return line, err
	}
	var b struct {
		Transactions []struct{ Hash string }
		Uncles       []string
	}
	if err := json.Unmarshal(line.Block, &b); err != nil {
		return line, err
	}
	for i := range b.Uncles {
		u, err := nodes.Call(ctx, url, "eth_getUncleByBlockNumberAndIndex", number, hexutil.Uint64(i))
		if err != nil {
			return line, err
		}
		line.Uncles = append(line.Uncles, u)
	}

	line.Receipts, err = nodes.Call(ctx, url, "eth_getBlockReceipts", number)
	if _, refused := errors.AsType[*nodes.Error](err); !refused {
		return line, err
	}
	var receipts [][]byte
	for _, tx := range b.Transactions {
		r, err := nodes.Call(ctx, url, "eth_getTransactionReceipt", tx.Hash)
		if err != nil {
			return line, err
		}
		receipts = append(receipts, r)
	}
	line.Receipts = slices.Concat([]byte("["), bytes.Join(receipts, []byte(",")), []byte("]"))
	return line, nil
}
