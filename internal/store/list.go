package store

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Position names a row: its block, its place in the block (transaction index
// or log index) and, of transfers, its place in the log's batch.
type Position struct {
	Block, Index, Batch uint64
}

// String writes the position as [ParsePosition] reads it.
func (p Position) String() string { return fmt.Sprintf("%d-%d-%d", p.Block, p.Index, p.Batch) }

// ParsePosition reads block-index-batch, of which the end may be left out.
func ParsePosition(text string) (p Position, err error) {
	at := []*uint64{&p.Block, &p.Index, &p.Batch}
	parts := strings.Split(text, "-")
	if len(parts) > len(at) {
		return p, fmt.Errorf("%.40q is no position", text)
	}
	for i, part := range parts {
		if *at[i], err = strconv.ParseUint(part, 10, 63); err != nil {
			return p, fmt.Errorf("%.40q is no position", text)
		}
	}
	return p, nil
}

// id is that of the row, or of the last one of its block.
func (p Position) id() int64 {
	return firstID(min(p.Block, mostNumber)) | int64(min(p.Index, 1<<positionBits-1))
}

// positionOf is the Position of a row's id.
func positionOf(id uint64) Position {
	return Position{Block: id >> positionBits, Index: id & (1<<positionBits - 1)}
}

// A Range says which rows a list gives: those in the blocks From to To, the
// highest first, or with Ascending the lowest. Rows up to and with After, of an
// earlier page, are left out. Paging is by position, so that a page costs the
// same wherever it is, and rows that come meanwhile move nothing.
type Range struct {
	From, To  uint64 // block numbers, both included
	Ascending bool
	After     *Position // nil on the first page
	Limit     int
}

// Everything is the range of all rows, the highest first.
func Everything(limit int) Range { return Range{To: math.MaxInt64, Limit: limit} }

// ids are the lowest and highest id that may be listed.
func (r Range) ids() (low, high int64) {
	low, high = firstID(min(r.From, mostNumber)), lastID(min(r.To, mostNumber))
	switch {
	case r.After == nil:
	case r.Ascending:
		low = max(low, r.After.id()+1)
	default:
		high = min(high, r.After.id()-1)
	}
	return low, high
}

// numbers are the lowest and highest block number that may be listed.
func (r Range) numbers() (low, high int64) {
	low, high = clamp(r.From), clamp(r.To)
	switch {
	case r.After == nil:
	case r.Ascending:
		low = max(low, clamp(r.After.Block)+1)
	default:
		high = min(high, clamp(r.After.Block)-1)
	}
	return low, high
}

// order is what follows ORDER BY for columns that are all sorted one way.
func (r Range) order(columns ...string) string {
	if r.Ascending {
		return strings.Join(columns, ", ")
	}
	return strings.Join(columns, " DESC, ") + " DESC"
}

// listRows reads the rows of a query whose columns are those that bind has.
func listRows[T any](ctx context.Context, r *Reader, bind func(*T) []column, from string, args ...any) ([]T, error) {
	var row, blank T
	bound := bind(&row)
	rows, err := r.db.QueryContext(ctx, "SELECT "+names(bound)+" "+from, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	at := places(bound)
	var found []T
	for rows.Next() {
		row = blank
		if err := rows.Scan(at...); err != nil {
			return nil, fmt.Errorf("list: %w", explain(err))
		}
		found = append(found, row)
	}
	return found, explain(rows.Err())
}

// anyOf is a subquery for the ids of rows in which one of some columns has a
// value, within the bounds of r. Each column is read by its own index, as far as
// the page goes. It takes, for each column, the value, both bounds and the limit.
func anyOf(r Range, table, id string, columns ...string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprintf("SELECT * FROM (SELECT %[1]s FROM %[2]s WHERE %[3]s = ? AND %[1]s BETWEEN ? AND ? ORDER BY %[4]s LIMIT ?)",
			id, table, c, r.order(id))
	}
	return strings.Join(parts, " UNION ")
}
