package command

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gapless/internal/chain"
	"gapless/internal/store"
)

const gapsUsage = `
List the blocks that are missing, and why. Neighbours that are missing for the same reason are one
line.

usage: gapless gaps [flags]

  --db FILE    the file (gapless.db)
  --json       print JSON
`

func (a *app) gapsCommand() *cobra.Command {
	var db string
	var asJSON bool
	c := a.command("gaps", gapsUsage, 0, func(ctx context.Context, _ []string) error {
		r, err := glanceAt(ctx, db)
		if err != nil {
			return err
		}
		defer r.Close()
		gaps, err := readGaps(ctx, r)
		switch {
		case err != nil:
			return err
		case asJSON:
			return printJSON(a.stdout, gaps)
		}
		return printGaps(a.stdout, gaps)
	})
	dbFlag(c.Flags(), &db)
	c.Flags().BoolVar(&asJSON, "json", false, "")
	return c
}

// A gap is a run of missing blocks of one class.
type gap struct {
	First         uint64      `json:"first_block"`
	Last          uint64      `json:"last_block"`
	Class         chain.Class `json:"error_class"`
	Message       string      `json:"error_message"` // of the first
	RetryCount    int         `json:"retry_count"`   // the highest
	FirstFailedAt time.Time   `json:"first_failed_at"`
	NextRetryAt   time.Time   `json:"next_retry_at,omitzero"` // of the one that is due first
	SkipReason    string      `json:"skip_reason,omitempty"`
}

// readGaps reads the missing blocks in pages and joins neighbours.
func readGaps(ctx context.Context, r *store.Reader) ([]gap, error) {
	const page = 1000
	gaps := []gap{}
	for from := uint64(0); ; {
		rows, err := r.FailedFrom(ctx, from, page)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			from = rows[i].Number + 1
			if n := len(gaps); n > 0 && gaps[n-1].takes(&rows[i]) {
				gaps[n-1].add(&rows[i])
				continue
			}
			gaps = append(gaps, newGap(&rows[i]))
		}
		if len(rows) < page {
			return gaps, nil
		}
	}
}

func newGap(f *store.Failed) gap {
	g := gap{
		First: f.Number, Last: f.Number, Class: f.Class, Message: f.Message, RetryCount: f.RetryCount,
		FirstFailedAt: f.FirstFailedAt.UTC(), SkipReason: f.SkipReason,
	}
	if !f.Skipped() {
		g.NextRetryAt = f.NextRetryAt.UTC()
	}
	return g
}

// takes reports whether a missing block goes on with the gap.
func (g *gap) takes(f *store.Failed) bool {
	return g.Last+1 == f.Number && g.Class == f.Class && g.SkipReason == f.SkipReason && g.NextRetryAt.IsZero() == f.Skipped()
}

func (g *gap) add(f *store.Failed) {
	g.Last = f.Number
	g.RetryCount = max(g.RetryCount, f.RetryCount)
	if f.FirstFailedAt.Before(g.FirstFailedAt) {
		g.FirstFailedAt = f.FirstFailedAt.UTC()
	}
	if f.NextRetryAt.Before(g.NextRetryAt) && !f.Skipped() {
		g.NextRetryAt = f.NextRetryAt.UTC()
	}
}

func printGaps(w io.Writer, gaps []gap) error {
	if len(gaps) == 0 {
		fmt.Fprintln(w, "none missing")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BLOCKS\tCOUNT\tSINCE\tTRIES\tNEXT RETRY\tCLASS\tERROR")
	missing := uint64(0)
	for i := range gaps {
		g := &gaps[i]
		missing += g.Last + 1 - g.First
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", g.blocks(), thousands(g.Last+1-g.First), clock(g.FirstFailedAt),
			g.RetryCount, g.next(), g.Class, g.message())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s missing\n", are(int(missing), "block"))
	return nil
}

func (g *gap) blocks() string {
	if g.First == g.Last {
		return fmt.Sprint(g.First)
	}
	return fmt.Sprintf("%d-%d", g.First, g.Last)
}

func (g *gap) next() string {
	if g.NextRetryAt.IsZero() {
		return "skipped"
	}
	return until(g.NextRetryAt)
}

// message is what went wrong, or why it was given up, short enough for a line.
func (g *gap) message() string {
	text := g.Message
	if g.SkipReason != "" {
		text = g.SkipReason
	}
	return short(text, 100)
}
