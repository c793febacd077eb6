package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gapless/internal/archive"
)

const digestUsage = `
Print one line that commits to all that the chain says in a range of blocks: headers, transactions
with their senders, receipts, logs, withdrawals and uncles. It is the same for the same chain,
whichever node the blocks came from, when, in what order and after how many retries.

  gapless-digest/1 <chain id> <first block>-<last block> <SHA-256>

What a block's hash commits to and this program can compute is computed again on the way. Left out
is what follows from the rest, and what nothing commits to and nodes tell differently: size,
totalDifficulty, blobGasPrice, the fees that rollups add, keys of a node's own.
Exit code 3 if blocks are missing; 4 if the digest is not the one expected.

usage: gapless digest [flags]

  --db FILE        the file (gapless.db)
  --from N         the first block (the file's first)
  --to N           the last block (the file's last)
  --expect LINE    the line that it has to be, which gives the range too, unless --from or --to do
`

func (a *app) digestCommand() *cobra.Command {
	var db, expect string
	var between between
	c := a.command("digest", digestUsage, 0, func(ctx context.Context, _ []string) error {
		from, to, err := between.bounds()
		if err != nil {
			return err
		}
		var want *archive.Digest
		if expect != "" {
			d, err := archive.ParseDigest(expect)
			if err != nil {
				return usagef("--expect: %w", err)
			}
			want = &d
			if from == nil && to == nil {
				from, to = &d.From, &d.To
			}
		}
		return a.selection(ctx, db, from, to, "read", func(s *archive.Selection) error { return a.digest(ctx, s, want) })
	})
	dbFlag(c.Flags(), &db)
	between.flags(c.Flags())
	c.Flags().StringVar(&expect, "expect", "", "")
	return c
}

// digest prints the digest and compares it with what is expected, if anything
// is.
func (a *app) digest(ctx context.Context, s *archive.Selection, want *archive.Digest) error {
	d, err := s.Digest(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, d)
	if want != nil && d != *want {
		return &exitError{exitFault, errors.New("this is not the digest expected, which is\n" + want.String())}
	}
	return nil
}
