package jsonrpc

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/store"
)

// transactionMethods are those of namespace eth that are about transactions.
type transactionMethods struct{ file *file }

// GetTransactionByHash gives a transaction.
func (m *transactionMethods) GetTransactionByHash(ctx context.Context, hash common.Hash) (answer, error) {
	return m.file.transaction(ctx, hash, false, encodeTransaction)
}

// GetTransactionReceipt gives a transaction's receipt.
func (m *transactionMethods) GetTransactionReceipt(ctx context.Context, hash common.Hash) (answer, error) {
	return m.file.transaction(ctx, hash, true, func(f *store.Found) (answer, error) {
		f.Receipt.FillBloom()
		out := make([]byte, 0, 1500+1000*len(f.Receipt.Logs))
		return f.Block.AppendReceipt(out, &f.Transaction, f.Index, f.FirstLog), nil
	})
}

// GetRawTransactionByHash gives a transaction as it was signed and sent.
func (m *transactionMethods) GetRawTransactionByHash(ctx context.Context, hash common.Hash) (answer, error) {
	return m.file.rawTransaction(ctx, hash)
}

// GetTransactionByBlockNumberAndIndex gives a transaction of a block.
func (m *transactionMethods) GetTransactionByBlockNumberAndIndex(ctx context.Context, number rpc.BlockNumber, index hexutil.Uint) (answer, error) {
	return m.file.transactionAt(ctx, byNumber(number), uint64(index), encodeTransaction)
}

// GetTransactionByBlockHashAndIndex gives a transaction of a block.
func (m *transactionMethods) GetTransactionByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (answer, error) {
	return m.file.transactionAt(ctx, byHash(hash), uint64(index), encodeTransaction)
}

// GetRawTransactionByBlockNumberAndIndex gives a transaction of a block as it
// was signed and sent.
func (m *transactionMethods) GetRawTransactionByBlockNumberAndIndex(ctx context.Context, number rpc.BlockNumber, index hexutil.Uint) (answer, error) {
	return noneIsEmpty(m.file.transactionAt(ctx, byNumber(number), uint64(index), encodeRaw))
}

// GetRawTransactionByBlockHashAndIndex gives a transaction of a block as it was
// signed and sent.
func (m *transactionMethods) GetRawTransactionByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (answer, error) {
	return noneIsEmpty(m.file.transactionAt(ctx, byHash(hash), uint64(index), encodeRaw))
}

func encodeTransaction(f *store.Found) (answer, error) {
	out := make([]byte, 0, 1500+2*len(f.Input))
	return f.Block.AppendTransaction(out, &f.Transaction, f.Index), nil
}

func encodeRaw(f *store.Found) (answer, error) {
	if err := f.Block.RestoreTransaction(&f.Transaction, f.Index); err != nil {
		return nil, err
	}
	raw, err := f.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return bytesAnswer(raw), nil
}

// transaction answers with what encode makes of a transaction, or with null.
func (f *file) transaction(ctx context.Context, hash common.Hash, logs bool, encode func(*store.Found) (answer, error)) (result answer, err error) {
	err = f.look(ctx, func(v *view) error {
		found, err := v.Transaction(hash, logs)
		if errors.Is(err, store.ErrNotFound) || err == nil && found.Block.Number > v.limit {
			return nil
		}
		if err == nil {
			result, err = encode(found)
		}
		return err
	})
	return result, err
}

// transactionAt is the same for a transaction at an index.
func (f *file) transactionAt(ctx context.Context, at rpc.BlockNumberOrHash, index uint64, encode func(*store.Found) (answer, error)) (result answer, err error) {
	err = f.look(ctx, func(v *view) error {
		if empty, err := v.pendingIsEmpty(at); err != nil || empty {
			return err
		}
		number, may, err := v.find(at)
		if err != nil || !may {
			return err
		}
		found, err := v.TransactionAt(number, index)
		if errors.Is(err, store.ErrNotFound) {
			_, _, err = v.Header(number)
			if errors.Is(err, store.ErrNotFound) {
				err = v.absent(number)
			}
			return err
		}
		if err == nil {
			result, err = encode(found)
		}
		return err
	})
	return result, err
}
