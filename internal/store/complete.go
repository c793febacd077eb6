package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"gapless/internal/chain"
)

// Complete makes the checks of blocks that were not made when they were stored,
// as that of the senders far below the head, and adds them to their verdicts.
// It says of how many. Left alone are blocks that fail a check, of which a
// [Checker] tells, and those that are not stored.
func (s *Store) Complete(ctx context.Context, numbers []uint64) (done int, err error) {
	for some := range slices.Chunk(numbers, rangeBlocks) {
		found, err := s.completions(ctx, some)
		if err != nil {
			return done, err
		}
		n := 0
		err = s.write(ctx, func(w *writer) (err error) {
			n, err = w.complete(found)
			return err
		})
		if err != nil {
			return done, fmt.Errorf("complete from block %d: %w", some[0], err)
		}
		done += n
	}
	return done, nil
}

// A completion is what further checks say of a block that was stored.
type completion struct {
	number        uint64
	hash          common.Hash
	before, added chain.Verdict
}

// completions makes the checks, on all cores.
func (r *Reader) completions(ctx context.Context, numbers []uint64) ([]completion, error) {
	found := make([]completion, len(numbers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, number := range numbers {
		g.Go(func() (err error) {
			found[i], err = r.completion(ctx, number)
			return err
		})
	}
	err := g.Wait()
	return found, err
}

// completion gives nothing to add where there is nothing, or it would be a
// failure.
func (r *Reader) completion(ctx context.Context, number uint64) (c completion, err error) {
	b, err := r.Block(ctx, number)
	if errors.Is(err, ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c = completion{number: number, hash: b.Hash, before: b.Verdict}
	exempt, err := r.Exemptions(ctx)
	if err != nil {
		return c, err
	}
	again := exempt.Verify(b, c.before.Missing())
	if again.Failed == 0 {
		c.added = again
	}
	return c, nil
}

// complete adds to the verdicts of blocks that are still what they were.
func (w *writer) complete(found []completion) (done int, err error) {
	for _, c := range found {
		if c.added.Passed|c.added.NotComputable == 0 {
			continue
		}
		n, err := w.affect(`UPDATE blocks SET checks_passed = checks_passed | ?, checks_not_computable = checks_not_computable | ?
			WHERE number = ? AND hash = ? AND checks_passed = ? AND checks_not_computable = ? AND checks_failed = ?`,
			int64(c.added.Passed), int64(c.added.NotComputable), int64(c.number), c.hash[:],
			int64(c.before.Passed), int64(c.before.NotComputable), int64(c.before.Failed))
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	return done, nil
}
