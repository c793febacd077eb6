package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// compare asks the node at url for every block of the recording in dir, and
// returns how many there are. It returns an error at the first answer that is
// not equal as JSON, and if the node has another chain id or another head.
func compare(ctx context.Context, dir, url string) (blocks uint64, err error) {
	recorded, err := read(filepath.Join(dir, recordFile))
	if err != nil {
		return 0, err
	}
	node, err := rpc.DialContext(ctx, url)
	if err != nil {
		return 0, err
	}
	defer node.Close()

	lines := json.NewDecoder(bytes.NewReader(recorded))
	var head recording
	if err := lines.Decode(&head); err != nil {
		return 0, fmt.Errorf("%s: %w", recordFile, err)
	}
	if err := expect(ctx, node, head.ChainID, "eth_chainId"); err != nil {
		return 0, err
	}
	for ; ; blocks++ {
		var b recordedBlock
		if err := lines.Decode(&b); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, fmt.Errorf("%s: block %d: %w", recordFile, blocks, err)
		}
		if err := compareBlock(ctx, node, blocks, &b); err != nil {
			return 0, fmt.Errorf("block %d: %w", blocks, err)
		}
	}
	return blocks, expect(ctx, node, hexutil.Uint64(blocks-1), "eth_blockNumber")
}

// compareBlock compares one block with what the node says.
func compareBlock(ctx context.Context, node *rpc.Client, number uint64, b *recordedBlock) error {
	n := hexutil.Uint64(number)
	var uncles struct{ Uncles []string }
	if err := json.Unmarshal(b.Block, &uncles); err != nil {
		return err
	}
	if len(uncles.Uncles) != len(b.Uncles) {
		return fmt.Errorf("%d uncle hashes but %d uncles", len(uncles.Uncles), len(b.Uncles))
	}
	if err := expect(ctx, node, b.Block, "eth_getBlockByNumber", n, true); err != nil {
		return err
	}
	if err := expect(ctx, node, b.Receipts, "eth_getBlockReceipts", n); err != nil {
		return err
	}
	for i, uncle := range b.Uncles {
		if err := expect(ctx, node, uncle, "eth_getUncleByBlockNumberAndIndex", n, hexutil.Uint(i)); err != nil {
			return err
		}
	}
	return nil
}

// expect calls a method of the node, and returns an error unless the result
// is equal to want as JSON.
func expect(ctx context.Context, node *rpc.Client, want any, method string, params ...any) error {
	var got json.RawMessage
	if err := node.CallContext(ctx, &got, method, params...); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	wanted := raw(want)
	if !reflect.DeepEqual(value(got), value(wanted)) {
		return fmt.Errorf("%s:\nrecorded %s\nanswered %s", method, wanted, got)
	}
	return nil
}

// value returns what a JSON text says, whatever the order of its fields.
func value(text json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(err) // both sides were parsed before
	}
	return v
}
