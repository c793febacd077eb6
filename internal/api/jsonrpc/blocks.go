package jsonrpc

import (
	"context"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// blockMethods are those of namespace eth that are about blocks.
type blockMethods struct{ file *file }

func byNumber(n rpc.BlockNumber) rpc.BlockNumberOrHash { return rpc.BlockNumberOrHashWithNumber(n) }
func byHash(h common.Hash) rpc.BlockNumberOrHash       { return rpc.BlockNumberOrHashWithHash(h, false) }

// quantity is a number as JSON-RPC has it.
func quantity(n uint64) answer {
	out := append(make([]byte, 0, 20), `"0x`...)
	return append(strconv.AppendUint(out, n, 16), '"')
}

// BlockNumber is the number of the highest stored block.
func (m *blockMethods) BlockNumber(ctx context.Context) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		number, err := v.latest()
		result = quantity(number)
		return err
	})
	return result, err
}

// GetBlockByNumber gives a block with its transactions or their hashes.
func (m *blockMethods) GetBlockByNumber(ctx context.Context, number rpc.BlockNumber, full bool) (answer, error) {
	return m.block(ctx, byNumber(number), full)
}

// GetBlockByHash gives a block with its transactions or their hashes.
func (m *blockMethods) GetBlockByHash(ctx context.Context, hash common.Hash, full bool) (answer, error) {
	return m.block(ctx, byHash(hash), full)
}

func (m *blockMethods) block(ctx context.Context, at rpc.BlockNumberOrHash, full bool) (answer, error) {
	part, each := store.PartHashes, 80
	if full {
		part, each = store.PartTransactions, 1000
	}
	return m.file.block(ctx, at, part, func(b *chain.Block) (answer, error) {
		out := make([]byte, 0, 2000+each*len(b.Transactions))
		return b.AppendBlock(out, full), nil
	})
}

// GetHeaderByNumber gives a block's header. As geth, it knows no pending one,
// and finalized or safe is null while it is not known.
func (m *blockMethods) GetHeaderByNumber(ctx context.Context, number rpc.BlockNumber) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		switch number {
		case rpc.PendingBlockNumber:
			return nil
		case rpc.FinalizedBlockNumber, rpc.SafeBlockNumber:
			if _, err := v.tagged(number); err != nil {
				return nil
			}
		}
		result, err = v.header(byNumber(number))
		return err
	})
	return result, err
}

// GetHeaderByHash gives a block's header.
func (m *blockMethods) GetHeaderByHash(ctx context.Context, hash common.Hash) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		result, err = v.header(byHash(hash))
		return err
	})
	return result, err
}

func (v *view) header(at rpc.BlockNumberOrHash) (answer, error) {
	b, err := v.loadHeader(at)
	if err != nil || b == nil {
		return nil, err
	}
	return b.AppendHeader(make([]byte, 0, 2000)), nil
}

// GetBlockReceipts gives the receipts of a block's transactions.
func (m *blockMethods) GetBlockReceipts(ctx context.Context, at rpc.BlockNumberOrHash) (answer, error) {
	return m.file.large(ctx, func(v *view) (answer, error) {
		if empty, err := v.pendingIsEmpty(at); err != nil {
			return nil, err
		} else if !empty {
			return v.receipts(at)
		}
		manner, err := v.manner()
		if err != nil {
			return nil, err
		}
		return manner.pendingReceipts, nil
	})
}

func (v *view) receipts(at rpc.BlockNumberOrHash) (answer, error) {
	b, err := v.load(at, store.PartReceipts)
	if err != nil || b == nil {
		return nil, err
	}
	for i := range b.Transactions {
		b.Transactions[i].Receipt.FillBloom()
	}
	return b.AppendReceipts(make([]byte, 0, 2+2000*len(b.Transactions))), nil
}
