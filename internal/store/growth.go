package store

import (
	"context"
	"time"
)

// A Growth is how fast a file grows.
type Growth struct {
	Blocks int           // how many of the last blocks it goes by
	Took   time.Duration // between the first and the last of them, by the chain's clock
	Bytes  int64         // about what they take in the file
	Newer  time.Duration // between the block in the middle of them and the last
}

// Steady reports whether the last blocks tell of those to come: they are of an hour
// or a thousand, and came in no burst.
func (g Growth) Steady() bool {
	return (g.Took >= time.Hour || g.Blocks >= growthBlocks) && g.Newer >= g.Took/4 && g.Newer <= g.Took/4*3 && g.Took > 0
}

// In is about what the file grows by in a time, in bytes; 0 if there is no telling.
func (g Growth) In(d time.Duration) int64 {
	if g.Took <= 0 {
		return 0
	}
	return int64(float64(g.Bytes) / g.Took.Seconds() * d.Seconds())
}

const (
	growthBlocks  = 1000
	growthSamples = 200
)

// Growth estimates how fast the file grows from its last blocks: the file's
// bytes are shared out among all its blocks by how many rows they have, which is
// known of samples.
func (r *Reader) Growth(ctx context.Context) (g Growth, err error) {
	err = r.View(ctx, func(v *View) error {
		start, next, err := v.Bounds()
		if err != nil || next == start {
			return err
		}
		const recent = `WITH recent AS (SELECT * FROM blocks WHERE number > 0 ORDER BY number DESC LIMIT ?) -- a genesis may be of 1970
			SELECT count(*), CAST(IFNULL(max(timestamp) - min(timestamp), 0) AS INTEGER), IFNULL(avg(2 + transaction_count + log_count), 0),
				CAST(IFNULL(max(timestamp) - (SELECT timestamp FROM recent LIMIT 1 OFFSET (SELECT count(*) FROM recent) / 2), 0) AS INTEGER) FROM recent`
		var seconds, newer int64
		var rows, rowsOfAll float64
		if err := v.get(recent, []any{growthBlocks}, &g.Blocks, &seconds, &rows, &newer); err != nil || g.Blocks < 2 {
			return err
		}
		const samples = `WITH RECURSIVE s(n) AS (SELECT ?1 UNION ALL SELECT n + ?2 FROM s WHERE n + ?2 < ?3)
			SELECT IFNULL(avg(2 + transaction_count + log_count), 1) FROM s JOIN blocks ON number = n`
		every := max(1, (next-start)/growthSamples)
		if err := v.get(samples, []any{clamp(start), clamp(every), clamp(next)}, &rowsOfAll); err != nil {
			return err
		}
		bytes, err := v.filled()
		if err != nil {
			return err
		}
		g.Took, g.Newer = time.Duration(seconds)*time.Second, time.Duration(newer)*time.Second
		g.Bytes = int64(float64(bytes) / float64(next-start) * float64(g.Blocks-1) * rows / rowsOfAll)
		return nil
	})
	return g, err
}

// Used is how many bytes of the file are in use, wherever they are: some may still
// be in the -wal, which has others that are older versions.
func (r *Reader) Used(ctx context.Context) (bytes int64, err error) {
	err = r.View(ctx, func(v *View) error {
		return v.get(`SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, nil, &bytes)
	})
	return bytes, err
}

// filled is how many bytes of pages are in use beside the first page of each
// table and index, which is nearly all of a young file.
func (v *View) filled() (bytes int64, err error) {
	err = v.get(`SELECT (page_count - freelist_count - (SELECT count(*) FROM sqlite_schema WHERE rootpage > 0)) * page_size
		FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, nil, &bytes)
	return max(0, bytes), err
}
