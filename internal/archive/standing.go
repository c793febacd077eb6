package archive

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
)

// A standing is how a range of the dataset stands to the file.
type standing struct {
	Range
	// fork is the first block that is not of the file's chain, or above its last
	// one; one past the range if there is none.
	fork uint64
	// seen says that a block of the range, or the one above it, shows that those
	// below are of the file's chain.
	seen bool
}

// intact says that the file's chain has all of the range, as far as the file
// shows.
func (s standing) intact() bool { return s.fork > s.Last }

// A comparison holds a dataset against a file.
type comparison struct {
	dataset     *Dataset
	reader      *store.Reader
	start, next uint64 // of the file
}

// standings tells of each range how it stands to the file, but for those wholly
// below the file's first block, which stay as they are.
func (c *comparison) standings(ctx context.Context) ([]standing, error) {
	ranges := c.dataset.Ranges
	first := 0 // of those that are not wholly below
	for first < len(ranges) && ranges[first].Last < c.start {
		first++
	}
	if first > 0 {
		if err := c.checkBelow(ctx, ranges[first-1]); err != nil {
			return nil, err
		}
	}
	all := make([]standing, len(ranges)-first)
	for i, r := range slices.Backward(ranges[first:]) {
		if i+1 < len(all) && all[i+1].First == r.Last+1 && all[i+1].seen {
			all[i] = standing{r, r.Last + 1, true}
			continue
		}
		var err error
		if all[i], err = c.standing(ctx, r); err != nil {
			return nil, err
		}
	}
	for i := range all { // what is above a fork is not of the chain
		if i > 0 && all[i-1].Last+1 == all[i].First && !all[i-1].intact() {
			all[i].fork = all[i].First
		}
	}
	return all, nil
}

// checkBelow refuses a file whose first block doesn't follow on a range that ends
// just below it.
func (c *comparison) checkBelow(ctx context.Context, r Range) error {
	parent, err := c.parent(ctx, c.start)
	if r.Last+1 == c.start && parent != nil && *parent != r.Hash {
		return &branchError{r.Last, c.start}
	}
	return err
}

// A branchError says that blocks that the file doesn't have any more are not those
// that its own follow on.
type branchError struct{ theirs, ours uint64 }

func (e *branchError) Error() string {
	return fmt.Sprintf("block %d of the folder is not the parent of the file's block %d: export into another folder", e.theirs, e.ours)
}

// parent gives the parent's hash of a block, nil if it is not stored.
func (c *comparison) parent(ctx context.Context, number uint64) (*common.Hash, error) {
	if number < c.start || number >= c.next {
		return nil, nil
	}
	blocks, _, err := c.reader.Blocks(ctx, number, number)
	if err != nil || len(blocks) == 0 {
		return nil, err
	}
	return &blocks[0].ParentHash, nil
}

// standing holds a range against the file. Blocks that are missing from the file
// count as of its chain, unless those above or below them show otherwise.
func (c *comparison) standing(ctx context.Context, r Range) (standing, error) {
	if r.First >= c.next {
		return standing{r, r.First, false}, nil
	}
	last, err := c.reader.HashesBetween(ctx, r.Last, r.Last)
	if err != nil || len(last) > 0 && last[0].Hash == r.Hash {
		return standing{r, r.Last + 1, true}, err
	}
	ours, err := c.dataset.hashes(ctx, r)
	if err != nil {
		return standing{}, err
	}
	first, end := max(r.First, c.start), min(r.Last+1, c.next)
	theirs, err := c.reader.HashesBetween(ctx, first, end-1)
	if err != nil {
		return standing{}, err
	}
	s := standing{Range: r}
	other := end // lowest block above those of both, which is another or not in the range
	for _, b := range slices.Backward(theirs) {
		if s.seen = ours[b.Number] == b.Hash; s.seen {
			first = b.Number + 1
			break
		}
		other = b.Number
	}
	err = c.decide(ctx, &s, first, other, ours)
	return s, err
}

// decide finds the fork of a range, from one past the highest block that the file
// has as well up to the lowest other one.
func (c *comparison) decide(ctx context.Context, s *standing, first, other uint64, ours map[uint64]common.Hash) error {
	parent, err := c.parent(ctx, other)
	if err != nil {
		return err
	}
	follows := parent != nil && *parent == ours[other-1]
	s.seen = s.seen || follows && other > s.First
	s.fork = first
	if follows || parent == nil {
		s.fork = other // what is missing in between is of the chain, as far as is known
	}
	if below, ok := ours[c.start-1]; ok && other == c.start && parent != nil && *parent != below {
		return &branchError{c.start - 1, c.start}
	}
	return nil
}
