package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A LogQuery selects logs as eth_getLogs does.
type LogQuery struct {
	First, Last uint64 // block numbers
	Addresses   []common.Address
	Topics      [][]common.Hash // by position, at most 4; an empty list is any topic
}

// A FoundLog is a log with what is needed to tell of it.
type FoundLog struct {
	chain.Log
	At chain.LogPlace
}

// ErrTooMany: there are more than were asked for.
var ErrTooMany = errors.New("too many results")

// Logs calls fn with the logs that the query selects, in order. ctx may end it.
// For one block or a range of a few thousand: see [Reader.Logs].
func (v *View) Logs(ctx context.Context, q *LogQuery, fn func(*FoundLog) error) error {
	indexed, err := v.indexed()
	if err != nil {
		return err
	}
	query, args := q.compile(indexed)
	rows, err := v.s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	var row logRow
	var hash common.Hash
	header := new(chain.Header)
	var blockHash common.Hash
	var timestamp uint64
	at := append(places(logColumns(&row)), fixed(hash[:]), fixed(blockHash[:]), integer{&timestamp})
	for rows.Next() {
		row = logRow{}
		if err := rows.Scan(at...); err != nil {
			return explain(err)
		}
		if number := row.id >> positionBits; header.Hash != blockHash || header.Number != number {
			header = &chain.Header{Hash: blockHash, Number: number, Timestamp: timestamp}
		}
		found := &FoundLog{row.log(), chain.LogPlace{
			Block: header, TransactionHash: hash, Transaction: int(row.transaction), Log: int(row.id & (1<<positionBits - 1)),
		}}
		if err := fn(found); err != nil {
			return err
		}
	}
	return explain(rows.Err())
}

// compile makes SQL of the query. Which index serves is said, as SQLite has no
// statistics of the file: that of the addresses if there are any, then that of
// the first topic. Both have the block range as well. While they are postponed
// the range is read from one end to the other.
func (q *LogQuery) compile(indexed bool) (query string, args []any) {
	var s strings.Builder
	var columns []string
	for _, c := range logColumns(new(logRow)) {
		columns = append(columns, "l."+c.name)
	}
	fmt.Fprintf(&s, "SELECT %s, t.hash, b.hash, b.timestamp FROM logs AS l %s", strings.Join(columns, ", "), q.index(indexed))
	fmt.Fprintf(&s, ` CROSS JOIN transactions AS t ON t.id = (l.id >> %d << %[1]d | l.transaction_index)
		CROSS JOIN blocks AS b ON b.number = l.id >> %[1]d WHERE l.id BETWEEN ? AND ?`, positionBits)
	args = append(args, firstID(q.First), lastID(min(q.Last, mostNumber)))
	if len(q.Addresses) > 0 {
		among(&s, "l.address", len(q.Addresses))
		for i := range q.Addresses {
			args = append(args, q.Addresses[i][:])
		}
	}
	for i, topics := range q.Topics {
		column := fmt.Sprintf("l.topic%d", i)
		if len(topics) == 0 {
			fmt.Fprintf(&s, " AND %s IS NOT NULL", column)
			continue
		}
		among(&s, column, len(topics))
		for j := range topics {
			args = append(args, topics[j][:])
		}
	}
	s.WriteString(" ORDER BY l.id")
	return s.String(), args
}

func (q *LogQuery) index(indexed bool) string {
	switch {
	case !indexed || q.First == q.Last: // few rows, in one place
		return "NOT INDEXED"
	case len(q.Addresses) > 0:
		return "INDEXED BY logs_by_address"
	case len(q.Topics) > 0 && len(q.Topics[0]) > 0:
		return "INDEXED BY logs_by_topic"
	}
	return "NOT INDEXED"
}

func among(s *strings.Builder, column string, values int) {
	fmt.Fprintf(s, " AND %s IN (?%s)", column, strings.Repeat(", ?", values-1))
}

// Matches reports whether the query selects a log, whose block is in the range.
func (q *LogQuery) Matches(l *chain.Log) bool {
	if len(q.Addresses) > 0 && !slices.Contains(q.Addresses, l.Address) || len(q.Topics) > len(l.Topics) {
		return false
	}
	for i, topics := range q.Topics {
		if len(topics) > 0 && !slices.Contains(topics, l.Topics[i]) {
			return false
		}
	}
	return true
}
