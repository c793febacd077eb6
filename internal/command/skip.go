package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

const skipUsage = `
Stop trying a missing block, and note why. It still counts as missing everywhere;
gapless retry takes it up again.

usage: gapless skip N --reason TEXT [flags]

  --reason TEXT   why it is given up
  --db FILE       the file (gapless.db)
`

func (a *app) skipCommand() *cobra.Command {
	var db, reason string
	c := a.command("skip", skipUsage, 1, func(ctx context.Context, args []string) error {
		number, err := parseNumber("the block", args[0])
		switch {
		case err != nil:
			return err
		case number == nil:
			return usagef("the block is empty: use a block number")
		case strings.TrimSpace(reason) == "":
			return usagef("say why with --reason: it is kept with the block")
		}
		return a.skip(ctx, db, *number, reason)
	})
	dbFlag(c.Flags(), &db)
	c.Flags().StringVar(&reason, "reason", "", "")
	return c
}

func (a *app) skip(ctx context.Context, db string, number uint64, reason string) error {
	err := change(ctx, db, func(c *client) error {
		var answer struct{}
		return c.call(ctx, http.MethodPost, "/api/v1/skip", rest.SkipRequest{Block: &number, Reason: reason}, &answer)
	}, func(s *store.Store) error {
		err := s.Skip(ctx, number, reason)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("block %d is not missing", number)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "block %s is skipped: %s\n", thousands(number), reason)
	return nil
}
