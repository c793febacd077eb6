package store

import (
	"context"
	"time"
)

// IndexedSince is how many blocks were stored since a moment, as far as they are
// the highest: it looks down from the top until it finds one that is older.
func (r *Reader) IndexedSince(ctx context.Context, since time.Time) (blocks int, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT indexed_at FROM blocks ORDER BY number DESC`)
	if err != nil {
		return 0, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return 0, explain(err)
		}
		if at < since.UnixMilli() {
			break
		}
		blocks++
	}
	return blocks, explain(rows.Err())
}
