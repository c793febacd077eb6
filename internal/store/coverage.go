package store

import (
	"context"
	"errors"
)

// A CoverageMap tells, for each of equal parts of a range of block numbers, how
// many are stored and how many missing. Numbers in neither count are not there
// yet.
type CoverageMap struct {
	From, To uint64 // both included
	Width    uint64 // numbers in a part; the last part may have fewer
	Parts    []CoveragePart
}

// A CoveragePart is one part of a CoverageMap.
type CoveragePart struct {
	First, Last     uint64
	Stored, Missing uint64
	Skipped         uint64 // of Missing
}

// Coverage divides the numbers from to to into at most parts parts. It reads
// only rows of missing blocks: what is up to the head and not missing is stored.
func (r *Reader) Coverage(ctx context.Context, from, to uint64, parts int) (*CoverageMap, error) {
	if parts < 1 || to < from || from > mostNumber {
		return nil, errors.New("store: coverage of nothing")
	}
	start, next, err := r.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	c := newCoverage(from, to, uint64(parts))
	for i := range c.Parts {
		p := &c.Parts[i]
		if first, end := max(p.First, start), min(p.Last+1, next); first < end {
			p.Stored = end - first
		}
	}
	return c, r.countMissing(ctx, c)
}

// newCoverage makes a coverage whose parts are counted as not there.
func newCoverage(from, to, parts uint64) *CoverageMap {
	to = uint64(clamp(to))
	c := &CoverageMap{From: from, To: to, Width: (to-from)/parts + 1}
	for first := from; ; first += c.Width {
		last := min(first+c.Width-1, to)
		c.Parts = append(c.Parts, CoveragePart{First: first, Last: last})
		if last == to {
			return c
		}
	}
}

// countMissing takes the missing blocks from what is stored.
func (r *Reader) countMissing(ctx context.Context, c *CoverageMap) error {
	rows, err := r.db.QueryContext(ctx, `SELECT (block_number - ?1) / ?2, count(*), count(skipped_at) FROM failed_blocks
		WHERE block_number BETWEEN ?1 AND ?3 GROUP BY 1`, clamp(c.From), clamp(c.Width), clamp(c.To))
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var i, missing, skipped uint64
		if err := rows.Scan(integer{&i}, integer{&missing}, integer{&skipped}); err != nil {
			return explain(err)
		}
		p := &c.Parts[i]
		p.Missing, p.Skipped = missing, skipped
		p.Stored -= min(missing, p.Stored)
	}
	return explain(rows.Err())
}
