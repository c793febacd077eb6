package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"gapless/internal/archive"
	"gapless/internal/pause"
	"gapless/internal/store"
)

const diffUsage = `
Tell what differs between two files of one chain, by block, transaction, receipt and log, field by
field. Compared is what gapless digest commits to: files without a difference have the same digest.

usage: gapless diff A B [flags]

  --from N     the first block to compare
  --to N       the last block to compare; what lies outside of both files does not count
  --limit N    stop after so many differences (100); 0 for none
  --json       print JSON, one object a line: differences, then a summary

Exit code 0 if the files are equal; 3 if they are but for blocks missing in one or in both; 4 if
they differ, or one is of blocks that the other is not of, or they are of different chains.
`

func (a *app) diffCommand() *cobra.Command {
	var between between
	var limit uint
	var asJSON bool
	c := a.command("diff", diffUsage, 2, func(ctx context.Context, files []string) error {
		from, to, err := between.bounds()
		if err == nil {
			files, err = aDatabase.parseAll("FILE", files)
		}
		if err != nil {
			return err
		}
		d := &difference{app: &app{pause.Writer{Context: ctx, To: a.stdout}, a.stderr}, json: asJSON, limit: int(limit), progress: newConsole(a.stderr)}
		return withCode(d.files(ctx, files[0], files[1], from, to))
	})
	between.flags(c.Flags())
	c.Flags().UintVar(&limit, "limit", 100, "")
	c.Flags().BoolVar(&asJSON, "json", false, "")
	return c
}

// A difference is one comparison of two files, told to a person or a script.
type difference struct {
	app      *app
	json     bool
	limit    int
	progress *console

	found   int
	stopped bool
}

func (d *difference) files(ctx context.Context, pathA, pathB string, from, to *uint64) error {
	a, err := openNamed(ctx, pathA)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := openNamed(ctx, pathB)
	if err != nil {
		return err
	}
	defer b.Close()
	c, err := archive.Compare(ctx, a, b, from, to)
	if other, ok := errors.AsType[*archive.OtherChainError](err); ok {
		return &exitError{exitFault, other}
	}
	if err != nil {
		return err
	}
	d.spans(c)
	if d.progress.terminal {
		c.Progress = func(done uint64) {
			d.progress.progress("compared %s of %s", thousands(done), count(c.Common.Last+1-c.Common.First, "block"))
		}
	}
	err = c.Differences(ctx, d.tell)
	if d.progress.terminal {
		d.progress.progress("")
	}
	if err != nil {
		return err
	}
	return d.conclude(c)
}

// openNamed opens a file that is an argument, not --db.
func openNamed(ctx context.Context, path string) (*store.Reader, error) {
	r, err := store.OpenReader(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: name another", path)
	}
	return r, err
}

// spans tells of what only one file has.
func (d *difference) spans(c *archive.Comparison) {
	for _, s := range []struct {
		key, text string
		spans     []archive.Span
	}{
		{"only_in_a", "only in A", c.OnlyA}, {"only_in_b", "only in B", c.OnlyB},
		{"missing_in_a", "missing in A", c.MissingA}, {"missing_in_b", "missing in B", c.MissingB},
	} {
		for _, span := range s.spans {
			if d.json {
				d.line(map[string]any{s.key: map[string]uint64{"first": span.First, "last": span.Last}})
			} else {
				fmt.Fprintf(d.app.stdout, "%s: %s\n", s.text, blocks(span))
			}
		}
	}
}

func blocks(s archive.Span) string {
	if s.First == s.Last {
		return "block " + s.String()
	}
	return "blocks " + s.String()
}

// tell tells of a difference.
func (d *difference) tell(x archive.Difference) error {
	if d.limit > 0 && d.found == d.limit {
		d.stopped = true
		return archive.ErrStop
	}
	d.found++
	if d.json {
		d.line(x)
		return nil
	}
	d.progress.progress("")
	const most = 80
	fmt.Fprintf(d.app.stdout, "%s: %s is %s in A, %s in B\n", x.Where(), x.Field, short(string(x.A), most), short(string(x.B), most))
	return nil
}

func (d *difference) line(v any) { _ = json.NewEncoder(d.app.stdout).Encode(v) }

// conclude tells of the outcome as a whole, and gives it an exit code.
func (d *difference) conclude(c *archive.Comparison) error {
	differ := d.found > 0 || len(c.OnlyA)+len(c.OnlyB) > 0
	missing := len(c.MissingA)+len(c.MissingB) > 0
	switch {
	case d.json:
		d.line(map[string]any{"compared": c.Compared, "differences": d.found, "stopped": d.stopped, "equal": !differ && !missing})
	case d.stopped:
		fmt.Fprintf(d.app.stdout, "stopped after %s; --limit 0 shows all\n", count(d.found, "difference"))
	default:
		fmt.Fprintf(d.app.stdout, "%s compared: %s\n", count(c.Compared, "block"), count(d.found, "difference"))
	}
	switch {
	case differ:
		return &exitError{exitFault, errors.New("the files differ")}
	case missing:
		return &exitError{exitIncomplete, errors.New("blocks are missing; the others are equal")}
	case c.Compared == 0:
		return &exitError{exitIncomplete, errors.New("there are no such blocks in either file")}
	}
	return nil
}
