package store

import (
	"context"
	"fmt"
)

// maxUntracked is how many numbers in a row may be in no table and still be looked
// at one by one. In a longer run nobody has deleted blocks: somebody has put one
// far above the others.
const maxUntracked = 100_000

// passUntracked gives the end of a run of more than maxUntracked numbers from first
// on that are in neither table, else first.
func (r *Reader) passUntracked(ctx context.Context, first uint64) (uint64, error) {
	var start, next, tracked uint64
	err := r.db.QueryRowContext(ctx, untrackedQuery, clamp(first)).Scan(integer{&start}, integer{&next}, integer{&tracked})
	if err != nil {
		return 0, explain(err)
	}
	if first < start || tracked >= next || tracked-first <= maxUntracked { // it may have been pruned or rewound
		return first, nil
	}
	return tracked, nil
}

var untrackedQuery = fmt.Sprintf(`SELECT start_block, (`+nextQuery+`), MIN(
	IFNULL((SELECT MIN(number) FROM blocks WHERE number >= ?1), %[1]d),
	IFNULL((SELECT MIN(block_number) FROM failed_blocks WHERE block_number >= ?1), %[1]d)) FROM chain`, int64(mostNumber)+1)
