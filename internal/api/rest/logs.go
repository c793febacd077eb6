package rest

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/store"
)

// A Log is a log in a list. The first 4,096 bytes of its data are given; all of
// it is in its block, over JSON-RPC.
type Log struct {
	Block       uint64         `json:"block_number"`
	Index       uint64         `json:"log_index"`
	Timestamp   uint64         `json:"timestamp"` // of the block, unix seconds
	Transaction common.Hash    `json:"transaction_hash"`
	Address     common.Address `json:"address"`
	Topics      []common.Hash  `json:"topics"`
	Data        hexutil.Bytes  `json:"data"`
	DataBytes   int            `json:"data_bytes"` // of the whole
}

func newLog(l *store.LogSummary) Log {
	return Log{
		Block: l.Position.Block, Index: l.Position.Index, Timestamp: l.Timestamp, Transaction: l.Transaction,
		Address: l.Address, Topics: l.Topics, Data: l.Data, DataBytes: l.DataBytes,
	}
}

func (h *Handler) logs(ctx context.Context, q *question) (any, error) {
	which, address, topic0 := q.rows(), q.address("address"), q.hash("topic0")
	if err := q.done(); err != nil {
		return nil, err
	}
	list := func(ctx context.Context, r store.Range) ([]store.LogSummary, error) {
		return h.Store.LogSummaries(ctx, address, topic0, r)
	}
	return rangePage(ctx, h, which, list, newLog, func(l *store.LogSummary) store.Position { return l.Position })
}
