package jsonrpc

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/store"
)

// GetUncleByBlockNumberAndIndex gives the header of a block's uncle.
func (m *blockMethods) GetUncleByBlockNumberAndIndex(ctx context.Context, number rpc.BlockNumber, index hexutil.Uint) (answer, error) {
	return m.uncle(ctx, byNumber(number), uint64(index))
}

// GetUncleByBlockHashAndIndex gives the header of a block's uncle.
func (m *blockMethods) GetUncleByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (answer, error) {
	return m.uncle(ctx, byHash(hash), uint64(index))
}

func (m *blockMethods) uncle(ctx context.Context, at rpc.BlockNumberOrHash, index uint64) (result answer, err error) {
	err = m.file.look(ctx, func(v *view) error {
		if empty, err := v.pendingIsEmpty(at); err != nil || empty {
			return err
		}
		b, err := v.load(at, store.PartAll)
		switch {
		case err != nil:
			return err
		case b == nil:
			return v.noUncle(at)
		case index < uint64(len(b.Uncles)):
			result = b.AppendUncle(nil, int(index))
		}
		return nil
	})
	return result, err
}

// noUncle gives the error of a client for an uncle of a block that is not there,
// if it has one.
func (v *view) noUncle(at rpc.BlockNumberOrHash) error {
	m, err := v.manner()
	if err != nil {
		return err
	}
	if _, named := at.Hash(); named {
		return m.uncleOfUnknown
	}
	return v.pastHead(at, m.uncleOf)
}
