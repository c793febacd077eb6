//go:build e2e && unix

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

// A told is what a node tells of a block.
type told struct{ block, receipts any }

// ask asks a node for blocks.
func ask(ctx context.Context, n *nodes.Node, numbers []uint64) (map[uint64]told, error) {
	params := make([][]any, len(numbers))
	for i, number := range numbers {
		params[i] = []any{hex(number), true}
	}
	blocks, err := nodes.Batch(ctx, n.HTTP, "eth_getBlockByNumber", params...)
	if err != nil {
		return nil, err
	}
	all := make(map[uint64]told)
	receipts, err := askReceipts(ctx, n, numbers, blocks)
	if err != nil {
		return nil, err
	}
	for i, number := range numbers {
		var block any
		if err := json.Unmarshal(blocks[i], &block); err != nil {
			return nil, err
		}
		all[number] = told{block, receipts[i]}
	}
	return all, nil
}

// askReceipts asks for the receipts of blocks: of all of a block, or one by one
// where a node does not know that.
func askReceipts(ctx context.Context, n *nodes.Node, numbers []uint64, blocks []json.RawMessage) ([]any, error) {
	params := make([][]any, len(numbers))
	for i, number := range numbers {
		params[i] = []any{hex(number)}
	}
	raw, err := nodes.Batch(ctx, n.HTTP, "eth_getBlockReceipts", params...)
	if errors.As(err, new(*nodes.Error)) {
		return askEachReceipt(ctx, n, blocks)
	}
	all := make([]any, len(raw))
	for i := range raw {
		err = errors.Join(err, json.Unmarshal(raw[i], &all[i]))
	}
	return all, err
}

func askEachReceipt(ctx context.Context, n *nodes.Node, blocks []json.RawMessage) ([]any, error) {
	all := make([]any, len(blocks))
	for i, raw := range blocks {
		var block struct{ Transactions []struct{ Hash string } }
		if err := json.Unmarshal(raw, &block); err != nil {
			return nil, err
		}
		var params [][]any
		for _, tx := range block.Transactions {
			params = append(params, []any{tx.Hash})
		}
		raws, err := nodes.Batch(ctx, n.HTTP, "eth_getTransactionReceipt", params...)
		receipts := make([]any, len(raws))
		for j := range raws {
			err = errors.Join(err, json.Unmarshal(raws[j], &receipts[j]))
		}
		if err != nil {
			return nil, err
		}
		all[i] = receipts
	}
	return all, nil
}

// atHead says why the file does not end with the node's head, if so.
func atHead(ctx context.Context, r *store.Reader, n *nodes.Node) error {
	var head struct{ Number, Hash string }
	if err := call(ctx, n, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return err
	}
	latest, err := r.Latest(ctx)
	if err != nil {
		return err
	}
	if latest == nil || latest.Hash.Hex() != head.Hash {
		return fmt.Errorf("the file ends with %+v, the node with %+v", latest, head)
	}
	missing, err := r.FailedFrom(ctx, 0, 1)
	if len(missing) > 0 {
		return fmt.Errorf("missing: %+v", missing)
	}
	return err
}

// equal compares every block up to the file's head with the node's answers.
func equal(ctx context.Context, r *store.Reader, n *nodes.Node) error {
	next, err := r.Next(ctx)
	if err != nil {
		return err
	}
	id, err := r.Identity(ctx)
	if err != nil {
		return err
	}
	const atOnce = 100
	for first := id.Start; first < next; first += atOnce {
		var numbers []uint64
		for number := first; number < min(first+atOnce, next); number++ {
			numbers = append(numbers, number)
		}
		all, err := ask(ctx, n, numbers)
		if err != nil {
			return err
		}
		for _, number := range numbers {
			if err := sameBlock(ctx, r, number, all[number]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameBlock compares a stored block with what a node tells of it.
func sameBlock(ctx context.Context, r *store.Reader, number uint64, want told) error {
	b, err := r.Block(ctx, number)
	if err != nil {
		return fmt.Errorf("block %d: %w", number, err)
	}
	if err := errors.Join(sameJSON(want.block, b.AppendBlock(nil, true)), sameJSON(want.receipts, b.AppendReceipts(nil))); err != nil {
		return fmt.Errorf("block %d: %w", number, err)
	}
	return nil
}

func sameJSON(want any, ours []byte) error {
	var got any
	if err := json.Unmarshal(ours, &got); err != nil {
		return err
	}
	if !reflect.DeepEqual(want, got) { // quicker than a difference
		return fmt.Errorf("(-node +file):\n%s", cmp.Diff(want, got))
	}
	return nil
}
