package command

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

const retryUsage = `
Try missing blocks again now, those that were skipped too. If gapless run has the file, it is told
to; else it finds them due when it starts.

usage: gapless retry N|N-M|all [flags]

  --db FILE    the file (gapless.db)
`

func (a *app) retryCommand() *cobra.Command {
	var db string
	c := a.command("retry", retryUsage, 1, func(ctx context.Context, args []string) error {
		first, last, err := parseRange(args[0])
		if err != nil {
			return err
		}
		return a.retry(ctx, db, first, last)
	})
	dbFlag(c.Flags(), &db)
	return c
}

// parseRange reads N, N-M or all.
func parseRange(text string) (first, last uint64, err error) {
	if text == "all" {
		return 0, rest.LastBlock, nil
	}
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 63)
	last, err2 := strconv.ParseUint(to, 10, 63)
	if err1 != nil || err2 != nil || first > last {
		return 0, 0, usagef("%q is not a block number, a range as 100-200, or all", text)
	}
	return first, last, nil
}

func (a *app) retry(ctx context.Context, db string, first, last uint64) error {
	var due int64
	err := change(ctx, db, func(c *client) error {
		var answer rest.RetryAnswer
		err := c.call(ctx, http.MethodPost, "/api/v1/retry", rest.RetryRequest{First: &first, Last: &last}, &answer)
		due = answer.Due
		return err
	}, func(s *store.Store) (err error) {
		due, err = s.RetryNow(ctx, first, last)
		return err
	})
	switch {
	case err != nil:
		return err
	case due == 0:
		fmt.Fprintln(a.stdout, "none of them is missing")
	default:
		fmt.Fprintf(a.stdout, "%s due now\n", are(int(due), "missing block"))
	}
	return nil
}
