package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"gapless/internal/archive"
	"gapless/internal/store"
)

// between are the flags for a range of blocks.
type between struct{ from, to string }

func (b *between) flags(flags *pflag.FlagSet) {
	flags.StringVar(&b.from, "from", "", "")
	flags.StringVar(&b.to, "to", "", "")
}

// bounds gives the first and the last block number, nil where none is given.
func (b *between) bounds() (from, to *uint64, err error) {
	if from, err = parseNumber("--from", b.from); err != nil {
		return nil, nil, err
	}
	if to, err = parseNumber("--to", b.to); err != nil {
		return nil, nil, err
	}
	if from != nil && to != nil && *from > *to {
		return nil, nil, usagef("there are no blocks from %d to %d", *from, *to)
	}
	return from, to, nil
}

// parseNumber reads a block number; nil for an empty text.
func parseNumber(name, text string) (*uint64, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, usagef("%s is %q: use a block number", name, text)
	}
	return &n, nil
}

// selection opens a file and selects blocks of it, with progress on a
// terminal: verb is what is done with them.
func (a *app) selection(ctx context.Context, db string, from, to *uint64, verb string, do func(*archive.Selection) error) error {
	r, err := openFile(ctx, db)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := archive.Select(ctx, r, from, to)
	if err != nil {
		return withCode(err)
	}
	if s.From > s.To {
		return usagef("there are no blocks from %d to %d", s.From, s.To)
	}
	progress := newConsole(a.stderr)
	if progress.terminal {
		s.Progress = func(done uint64) {
			progress.progress("%s %s of %s", verb, thousands(done), count(s.To+1-s.From, "block"))
		}
		defer progress.progress("")
	}
	return withCode(do(s))
}

// withCode gives errors about blocks their exit code.
func withCode(err error) error {
	if _, ok := errors.AsType[*archive.MissingError](err); ok {
		return &exitError{exitIncomplete, err}
	}
	if _, ok := errors.AsType[*store.FaultError](err); ok {
		return &exitError{exitFault, err}
	}
	if errors.Is(err, store.ErrNoChain) {
		return &exitError{exitIncomplete, fmt.Errorf("there is no block to read: %w", err)}
	}
	return err
}
