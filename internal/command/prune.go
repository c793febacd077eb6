package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"gapless/internal/api/problem"
	"gapless/internal/api/rest"
	"gapless/internal/store"
)

const pruneUsage = `
Delete the blocks below one and give their space back: the file then begins with that block, and
lacks none from there on. Only what is final goes, or where nothing says what is, what is 256 blocks
below the head. gapless run --keep does the same all the time.

usage: gapless prune --below WHERE [flags]

  --below WHERE  the first block that stays: a number, or -N for N before the head
  --db FILE      the file (gapless.db)
`

func (a *app) pruneCommand() *cobra.Command {
	var db, below string
	c := a.command("prune", pruneUsage, 0, func(ctx context.Context, _ []string) error {
		first, err := parsePlace("--below", below, true)
		switch {
		case err != nil:
			return err
		case first == nil:
			return usagef("say with --below which block is to be the first")
		}
		return a.prune(ctx, db, *first)
	})
	dbFlag(c.Flags(), &db)
	c.Flags().StringVar(&below, "below", "", "")
	return c
}

func (a *app) prune(ctx context.Context, db string, first place) error {
	before, below, err := pruned(ctx, db, first)
	if err != nil {
		return err
	}
	start := before
	err = change(ctx, db, func(c *client) error {
		for start < below {
			var answer rest.PruneAnswer
			if err := c.call(ctx, http.MethodPost, "/api/v1/prune", rest.PruneRequest{Below: &below}, &answer); err != nil {
				return err
			}
			start = answer.Start
		}
		return nil
	}, func(s *store.Store) (err error) {
		if start, err = rest.Prune(ctx, s, below); err == nil {
			err = s.Shrink(ctx)
		}
		return err
	})
	if answered, ok := errors.AsType[*problem.Details](err); ok && answered.Status == http.StatusConflict || errors.As(err, new(*rest.NotFinalError)) {
		return &exitError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	if start <= before {
		fmt.Fprintf(a.stdout, "nothing to delete: the file begins with block %s\n", thousands(before))
		return nil
	}
	fmt.Fprintf(a.stdout, "deleted %s; the file begins with block %s\n", count(int(start-before), "block"), thousands(start))
	return nil
}

// pruned says with which block the file begins, and with which it is to.
func pruned(ctx context.Context, db string, first place) (start, below uint64, err error) {
	r, err := glanceAt(ctx, db)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	start, next, err := r.Bounds(ctx)
	if err != nil {
		return 0, 0, explainOpen(err, db)
	}
	return start, first.at(next - min(next, 1)), nil
}
