package command

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

// complete has the checks made that were not made when blocks were stored.
func (a *app) complete(ctx context.Context, db string, blocks []uint64) error {
	if len(blocks) == 0 {
		return nil
	}
	completed := 0
	err := change(ctx, db, func(c *client) error {
		for some := range slices.Chunk(blocks, rest.MostCompletions) {
			var answer rest.CompleteAnswer
			if err := c.call(ctx, http.MethodPost, "/api/v1/complete", rest.CompleteRequest{Blocks: some}, &answer); err != nil {
				return err
			}
			completed += answer.Completed
		}
		return nil
	}, func(s *store.Store) (err error) {
		completed, err = s.Complete(ctx, blocks)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "the checks of %s are complete now\n", count(completed, "block"))
	return nil
}
