package store

import (
	"time"
)

// A MissingRange is a run of block numbers that are all missing.
type MissingRange struct {
	First, Last uint64
	NextRetryAt time.Time // of the one that is due first; zero if all are skipped
}

// Missing gives the missing blocks from first to last as ranges, in order, and
// whether there are more: at most limit ranges are given, and at most 10,000
// blocks looked at.
func (v *View) Missing(first, last uint64, limit int) (ranges []MissingRange, more bool, err error) {
	const most = 10_000
	var number uint64
	var failedAt [2]int64 // first and last
	var next *int64
	count := 0
	err = v.each(`SELECT block_number, first_failed_at, last_failed_at, next_retry_at FROM failed_blocks WHERE block_number BETWEEN ? AND ?
		ORDER BY block_number LIMIT ?`, []any{clamp(first), clamp(last), most + 1}, []any{integer{&number}, &failedAt[0], &failedAt[1], &next}, func() {
		count++
		n := len(ranges)
		switch {
		case count > most:
			more = true
			return
		case n == 0 || ranges[n-1].Last+1 != number:
			ranges = append(ranges, MissingRange{First: number})
			n++
		}
		r := &ranges[n-1]
		r.Last = number
		if next == nil {
			return
		}
		reckon(&failedAt[0], &failedAt[1], next)
		if at := time.UnixMilli(*next); r.NextRetryAt.IsZero() || at.Before(r.NextRetryAt) {
			r.NextRetryAt = at
		}
	})
	if len(ranges) > limit {
		ranges, more = ranges[:limit], true
	}
	return ranges, more, err
}
