package jsonrpc

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// debugMethods are those of namespace debug: encodings that hashes are taken of,
// built again from the file.
type debugMethods struct{ file *file }

// bytesAnswer is data as JSON-RPC has it.
func bytesAnswer(b []byte) answer { return appendData(make([]byte, 0, 4+2*len(b)), b) }

func appendData(out, b []byte) []byte {
	out = append(out, `"0x`...)
	return append(hex.AppendEncode(out, b), '"')
}

// noneIsEmpty is geth's way to say that there are no such bytes.
func noneIsEmpty(result answer, err error) (answer, error) {
	if result == nil && err == nil {
		result = answer(`"0x"`)
	}
	return result, err
}

// GetRawHeader gives the RLP of a header.
func (m *debugMethods) GetRawHeader(ctx context.Context, at rpc.BlockNumberOrHash) (answer, error) {
	return m.raw(ctx, at, "header", store.PartHashes, func(b *chain.Block) (answer, error) {
		raw, err := b.Header.AppendRLP(nil)
		return bytesAnswer(raw), err
	})
}

// GetRawBlock gives the RLP of a block.
func (m *debugMethods) GetRawBlock(ctx context.Context, at rpc.BlockNumberOrHash) (answer, error) {
	return m.raw(ctx, at, "block", store.PartAll, func(b *chain.Block) (answer, error) {
		raw, err := b.AppendRLP(nil)
		return bytesAnswer(raw), err
	})
}

// GetRawReceipts gives the receipts of a block as its receipts root commits to
// them.
func (m *debugMethods) GetRawReceipts(ctx context.Context, at rpc.BlockNumberOrHash) (result answer, err error) {
	result, err = m.file.block(ctx, at, store.PartAll, func(b *chain.Block) (answer, error) {
		if err := b.Restore(); err != nil {
			return nil, err
		}
		if b.Verdict.NotComputable&chain.ReceiptsRoot != 0 {
			return nil, fmt.Errorf("receipts of block %d: %w", b.Number, chain.ErrNotEncodable)
		}
		out := []byte{'['}
		for i := range b.Transactions {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendData(out, b.AppendReceiptBinary(nil, i))
		}
		return append(out, ']'), nil
	})
	if _, named := at.Hash(); named && result == nil && err == nil {
		result = answer(`[]`) // as geth
	}
	return result, err
}

// GetRawTransaction gives a transaction as it was signed and sent.
func (m *debugMethods) GetRawTransaction(ctx context.Context, hash common.Hash) (answer, error) {
	return m.file.rawTransaction(ctx, hash)
}

func (m *debugMethods) raw(ctx context.Context, at rpc.BlockNumberOrHash, what string, part store.Part, encode func(*chain.Block) (answer, error)) (answer, error) {
	result, err := m.file.block(ctx, at, part, func(b *chain.Block) (answer, error) {
		if err := b.Restore(); err != nil {
			return nil, err
		}
		return encode(b)
	})
	if hash, named := at.Hash(); named && result == nil && err == nil {
		return nil, serverf("%s %s not found", what, hash)
	}
	return noneIsEmpty(result, err)
}

// rawTransaction answers with a transaction's encoding.
func (f *file) rawTransaction(ctx context.Context, hash common.Hash) (answer, error) {
	return noneIsEmpty(f.transaction(ctx, hash, false, encodeRaw))
}
