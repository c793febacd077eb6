package store

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
)

// A LogSummary is a log with what it is found by. Of its data it has the first
// bytes.
type LogSummary struct {
	Position    Position
	Timestamp   uint64      // of the block, unix seconds
	Transaction common.Hash // that logged it
	Address     common.Address
	Topics      []common.Hash
	Data        []byte // the first LogDataShown bytes
	DataBytes   int    // of the whole
}

// LogDataShown is how many bytes of a log's data a LogSummary has at most.
const LogDataShown = 4096

type logSummaryRow struct {
	id uint64
	LogSummary
	topics [4]*common.Hash
}

func logSummaryColumns(r *logSummaryRow) []column {
	return []column{
		{"l.id", integer{&r.id}},
		{"b.timestamp", integer{&r.Timestamp}},
		{"t.hash", fixed(r.Transaction[:])},
		{"l.address", fixed(r.Address[:])},
		{"l.topic0", optFixed[common.Hash]{&r.topics[0]}},
		{"l.topic1", optFixed[common.Hash]{&r.topics[1]}},
		{"l.topic2", optFixed[common.Hash]{&r.topics[2]}},
		{"l.topic3", optFixed[common.Hash]{&r.topics[3]}},
		{"substr(l.data, 1, 4096)", blob{&r.Data}},
		{"length(l.data)", &r.DataBytes},
	}
}

// LogSummaries lists logs: of an address and with a first topic, where those
// are not nil; then it fails with [ErrUnindexed] during the first sync.
func (r *Reader) LogSummaries(ctx context.Context, address *common.Address, topic0 *common.Hash, which Range) ([]LogSummary, error) {
	if address != nil || topic0 != nil {
		if err := r.mustBeIndexed(ctx); err != nil {
			return nil, err
		}
	}
	low, high := which.ids()
	where, args, order := `l.id BETWEEN ? AND ?`, []any{low, high}, []string{"l.id"}
	if address != nil { // whose index is by block number
		where += ` AND l.block_number BETWEEN ? AND ? AND l.address = ?`
		args, order = append(args, low>>positionBits, high>>positionBits, address[:]), []string{"l.block_number", "l.id"}
	}
	switch {
	case topic0 != nil && address != nil: // not led by the topic, which more logs have
		where, args = where+` AND l.topic0_start = ? AND +l.topic0 = ?`, append(args, topic0[:topicStart], topic0[:])
	case topic0 != nil:
		where, args = where+` AND l.topic0 = ?`, append(args, topic0[:])
	}
	rows, err := listRows(ctx, r, logSummaryColumns, `FROM logs l JOIN blocks b ON b.number = +l.block_number
		JOIN transactions t ON t.id = (l.block_number << 24) + l.transaction_index
		WHERE `+where+` ORDER BY `+which.order(order...)+` LIMIT ?`, append(args, which.Limit)...)
	if err != nil {
		return nil, err
	}
	found := make([]LogSummary, len(rows))
	for i := range rows {
		found[i] = rows[i].LogSummary
		found[i].Position = positionOf(rows[i].id)
		found[i].Topics = given(rows[i].topics)
	}
	return found, nil
}
