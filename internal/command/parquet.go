package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"gapless/internal/archive"
	"gapless/internal/store"
)

// checkParquet refuses what can't be meant by the flags of Parquet.
func (x *export) checkParquet(flags *pflag.FlagSet, bounded bool) error {
	x.confirm = flags.Changed("confirmations")
	switch {
	case x.format != "parquet" && (x.follow || flags.Changed("range")):
		return usagef("--range and --follow go with the format parquet")
	case x.format == "parquet" && x.force:
		return usagef("--force replaces no folder: delete it, or name another with --out")
	case flags.Changed("range") && x.blocks == 0:
		return usagef("--range is 0: use a number of blocks")
	case x.confirm && !x.follow:
		return usagef("--confirmations goes with --follow")
	case x.follow && bounded:
		return usagef("--follow adds all that the file has and will have: leave out --from and --to")
	}
	return nil
}

// addParquet brings the blocks into the folder.
func (x *export) addParquet(ctx context.Context, a *app, s *archive.Selection) error {
	d, err := archive.OpenDataset(x.out, s.Identity, x.blocks)
	if err != nil {
		return err
	}
	written, stayed := 0, 0
	left, err := d.Add(ctx, s, func(_ archive.Range, anew bool) {
		if anew {
			written++
		} else {
			stayed++
		}
	})
	if err != nil {
		return err
	}
	a.tellLeft(left)
	fmt.Fprintf(a.stderr, "wrote blocks %s to %s to %s: %s of %s blocks, and %d that were there already\n",
		thousands(s.From), thousands(s.To), x.out, count(uint64(written), "range"), thousands(d.Size), stayed)
	return nil
}

// tellLeft tells of ranges that the chain has left.
func (a *app) tellLeft(left []archive.Range) {
	for _, r := range left {
		fmt.Fprintf(a.stderr, "blocks %s to %s are not all in the chain any more, and were taken away or written anew\n", thousands(r.First), thousands(r.Last))
	}
}

// followParquet adds ranges until it is told to stop.
func (x *export) followParquet(ctx context.Context, a *app) error {
	r, err := glanceAt(ctx, x.db)
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := r.Identity(ctx)
	if errors.Is(err, store.ErrNoChain) {
		return withCode(err)
	}
	if err != nil {
		return err
	}
	f := archive.Follower{Reader: r}
	if f.Dataset, err = archive.OpenDataset(x.out, id, x.blocks); err != nil {
		return err
	}
	if x.confirm {
		f.Confirmations = &x.confirmations
	}
	f.Wrote = func(r archive.Range) {
		fmt.Fprintf(a.stderr, "wrote blocks %s to %s\n", thousands(r.First), thousands(r.Last))
	}
	f.Left = a.tellLeft
	f.Waits = func(first, last uint64, why *archive.MissingError) {
		fmt.Fprintf(a.stderr, "blocks %s to %s wait: %s\n", thousands(first), thousands(last), why)
	}
	fmt.Fprintf(a.stderr, "following %s: ranges of %s blocks go to %s when they are whole and final; %s there already\n",
		x.db, thousands(f.Dataset.Size), x.out, count(uint64(len(f.Dataset.Ranges)), "range"))
	err = f.Follow(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop
	}
	return withCode(err)
}
