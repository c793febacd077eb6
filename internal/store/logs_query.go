package store

import (
	"context"
	"database/sql"
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
	FirstLog    uint64 // index in block First: to go on where something ended
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

// Logs calls fn with the logs that the query selects, in order. Each is only fn's
// until it returns, see [FoundLog.Clone]. ctx may end it.
func (v *View) Logs(ctx context.Context, q *LogQuery, fn func(*FoundLog) error) error {
	indexed, err := v.indexed()
	if err != nil {
		return err
	}
	query, args := q.compile(indexed)
	var row foundRow
	found := FoundLog{At: chain.LogPlace{Block: new(chain.Header)}}
	return v.stream(ctx, query, args, row.places(), func() error {
		if err := row.unpack(&found.At.TransactionHash); err != nil {
			return err
		}
		if number := row.id >> positionBits; found.At.Block.Hash != row.block || found.At.Block.Number != number {
			found.At.Block = &chain.Header{Hash: row.block, Number: number, Timestamp: row.timestamp}
		}
		found.Log, found.At.Transaction, found.At.Log = row.log, int(row.transaction), int(row.id&(1<<positionBits-1))
		return fn(&found)
	})
}

// Clone makes a log that can be kept.
func (l *FoundLog) Clone() *FoundLog {
	kept := *l
	kept.Topics = slices.Clone(l.Topics)
	return &kept
}

// A foundRow is a row of a query for logs. To fetch a column takes longer than
// to join it to another, so that those of fixed length are fetched as one.
type foundRow struct {
	id, transaction, timestamp uint64
	log                        chain.Log
	packed                     []byte // the two hashes, the address, the topics

	block  common.Hash
	topics [4]common.Hash // log's
}

const foundColumns = `l.id, l.transaction_index, l.data, l.shape, l.extra, b.timestamp,
	CAST(concat(b.hash, t.hash, l.address, l.topic0, l.topic1, l.topic2, l.topic3) AS BLOB)`

func (r *foundRow) places() []sql.Scanner {
	return []sql.Scanner{
		integer{&r.id}, integer{&r.transaction}, blob{&r.log.Data}, integer{&r.log.Shape}, text{&r.log.Extra}, integer{&r.timestamp}, blob{&r.packed},
	}
}

// unpack takes apart what was fetched as one.
func (r *foundRow) unpack(transaction *common.Hash) error {
	const fixed = 2*common.HashLength + common.AddressLength
	topics := len(r.packed) - fixed
	if topics < 0 || topics%common.HashLength != 0 || topics > len(r.topics)*common.HashLength {
		return fmt.Errorf("log %d of block %d has parts of wrong length", r.id&(1<<positionBits-1), r.id>>positionBits)
	}
	rest := r.packed[copy(r.block[:], r.packed):]
	rest = rest[copy(transaction[:], rest):]
	rest = rest[copy(r.log.Address[:], rest):]
	r.log.Topics = r.topics[:topics/common.HashLength]
	for i := range r.log.Topics {
		rest = rest[copy(r.log.Topics[i][:], rest):]
	}
	return nil
}

// compile makes SQL of the query. Which index serves is said, as SQLite has no
// statistics of the file: that of the addresses if there are any, then that of
// the first topic. Both have the block range as well. While they are postponed
// the range is read from one end to the other.
func (q *LogQuery) compile(indexed bool) (query string, args []any) {
	var s strings.Builder
	index := q.index(indexed)
	fmt.Fprintf(&s, "SELECT %s FROM logs AS l %s", foundColumns, index)
	where, args, order := q.within(index)
	s.WriteString(` CROSS JOIN transactions AS t ON t.id = (l.block_number << 24 | l.transaction_index)
		CROSS JOIN blocks AS b ON b.number = +l.block_number WHERE ` + where) // the +: it is no other way to bound block_number
	if len(q.Addresses) > 0 {
		among(&s, "l.address", len(q.Addresses))
		for i := range q.Addresses {
			args = append(args, q.Addresses[i][:])
		}
	}
	if len(q.Topics) > 0 && len(q.Topics[0]) > 0 && len(q.Addresses) > 0 {
		among(&s, "l.topic0_start", len(q.Topics[0])) // which the index of the addresses has
		for i := range q.Topics[0] {
			args = append(args, q.Topics[0][i][:topicStart])
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
	return s.String() + " ORDER BY " + order, args
}

// within bounds the rows by what an index has them in order of.
func (q *LogQuery) within(index string) (where string, args []any, order string) {
	first := firstID(q.First) + int64(q.FirstLog)
	if index == indexedByAddress {
		return `l.block_number BETWEEN ? AND ? AND +l.id >= ?`, []any{clamp(q.First), clamp(q.Last), first}, `l.block_number, l.id`
	}
	return `l.id BETWEEN ? AND ?`, []any{first, lastID(min(q.Last, mostNumber))}, `l.id`
}

const indexedByAddress = "INDEXED BY logs_by_address"

func (q *LogQuery) index(indexed bool) string {
	switch {
	case !indexed || q.First == q.Last: // few rows, in one place
		return "NOT INDEXED"
	case len(q.Addresses) > 0:
		return indexedByAddress
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
