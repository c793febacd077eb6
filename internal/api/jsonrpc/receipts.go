package jsonrpc

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// maxHashes is how many transactions a subscription may name, as with geth.
const maxHashes = 200

// ReceiptsOf says of which transactions the receipts are wanted; of none: of all.
type ReceiptsOf struct {
	Hashes []common.Hash `json:"transactionHashes"`
}

// TransactionReceipts tells of the receipts in a block that comes on top or that
// fills a gap, all at once; of none if the block has none that are wanted.
func (m *subscriptionMethods) TransactionReceipts(ctx context.Context, of *ReceiptsOf) (*rpc.Subscription, error) {
	wanted := make(map[common.Hash]bool)
	if of != nil {
		if len(of.Hashes) > maxHashes {
			return nil, serverf("exceed max number of transaction hashes allowed per transactionReceipts subscription")
		}
		for _, hash := range of.Hashes {
			wanted[hash] = true
		}
	}
	return m.subscribe(ctx, &interest{
		out: newOutbox(), filled: true,
		expand: func(ctx context.Context, h *chain.Header) (answer, error) { return m.receipts(ctx, h.Hash, wanted) },
	})
}

// receipts gives those of a block that are wanted; nil if there are none, or the
// block is no longer there.
func (m *subscriptionMethods) receipts(ctx context.Context, hash common.Hash, wanted map[common.Hash]bool) (result answer, err error) {
	err = m.feed.file.look(ctx, func(v *view) error {
		number, err := v.Number(hash)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := v.Block(number, store.PartReceipts)
		if err == nil {
			result = someReceipts(b, wanted)
		}
		return err
	})
	return result, err
}

// someReceipts is an array of the receipts that are wanted: all, if none is
// named; nil if there are none.
func someReceipts(b *chain.Block, wanted map[common.Hash]bool) answer {
	out, logs := answer{'['}, 0
	for i := range b.Transactions {
		tx := &b.Transactions[i]
		if len(wanted) == 0 || wanted[tx.Hash] {
			if len(out) > 1 {
				out = append(out, ',')
			}
			tx.Receipt.FillBloom()
			out = b.AppendReceipt(out, tx, i, logs)
		}
		logs += len(tx.Receipt.Logs)
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, ']')
}
