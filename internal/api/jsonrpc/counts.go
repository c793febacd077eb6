package jsonrpc

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/store"
)

// GetBlockTransactionCountByNumber counts a block's transactions.
func (m *blockMethods) GetBlockTransactionCountByNumber(ctx context.Context, number rpc.BlockNumber) (answer, error) {
	return m.transactionCount(ctx, byNumber(number))
}

// GetBlockTransactionCountByHash counts a block's transactions.
func (m *blockMethods) GetBlockTransactionCountByHash(ctx context.Context, hash common.Hash) (answer, error) {
	return m.transactionCount(ctx, byHash(hash))
}

// GetUncleCountByBlockNumber counts a block's uncles.
func (m *blockMethods) GetUncleCountByBlockNumber(ctx context.Context, number rpc.BlockNumber) (answer, error) {
	return m.uncleCount(ctx, byNumber(number))
}

// GetUncleCountByBlockHash counts a block's uncles.
func (m *blockMethods) GetUncleCountByBlockHash(ctx context.Context, hash common.Hash) (answer, error) {
	return m.uncleCount(ctx, byHash(hash))
}

func (m *blockMethods) transactionCount(ctx context.Context, at rpc.BlockNumberOrHash) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		counts, pending, err := v.counts(at)
		switch {
		case err != nil:
			return err
		case pending:
			result = quantity(0)
		case counts != nil:
			result = quantity(counts.Transactions)
		default:
			manner, err := v.manner()
			if err != nil {
				return err
			}
			return v.pastHead(at, manner.transactionsOf)
		}
		return nil
	})
	return result, err
}

func (m *blockMethods) uncleCount(ctx context.Context, at rpc.BlockNumberOrHash) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		counts, pending, err := v.counts(at)
		if err != nil || counts != nil {
			if counts != nil {
				result = quantity(counts.Uncles)
			}
			return err
		}
		manner, err := v.manner()
		switch {
		case err != nil:
			return err
		case manner.uncleCount != nil:
			result, err = manner.uncleCount()
		case pending:
			result = quantity(0)
		}
		return err
	})
	return result, err
}

// counts tells how much is in a block: nil if there is no such block, or it is
// the pending one.
func (v *view) counts(at rpc.BlockNumberOrHash) (counts *store.Counts, pending bool, err error) {
	if empty, err := v.pendingIsEmpty(at); err != nil || empty {
		return nil, empty, err
	}
	number, may, err := v.find(at)
	if err != nil || !may {
		return nil, false, err
	}
	_, found, err := v.Header(number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, v.absent(number)
	}
	return &found, false, err
}

// pastHead gives the error of a client for a number past the head, if it has one.
func (v *view) pastHead(at rpc.BlockNumberOrHash, of func(number, head uint64) error) error {
	number, ok := at.Number()
	if !ok || number < 0 || of == nil {
		return nil
	}
	latest, err := v.latest()
	if err == nil && uint64(number) > latest {
		err = of(uint64(number), latest)
	}
	return err
}
