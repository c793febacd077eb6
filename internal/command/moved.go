package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/internal/pause"
	"gapless/internal/store"
)

const (
	placeLook   = 5 * time.Second  // how often it is looked whether the file is at its place; a commit looks too
	rescueAgain = 10 * time.Second // how soon it is tried again to write what it held elsewhere
)

// watchPlace fails with [store.ErrMoved] when the file is not at its place any more,
// and warns of a second name, which backup tools give it.
func (s *service) watchPlace(ctx context.Context) error {
	for known := uint64(1); pause.For(ctx, placeLook) == nil; {
		if err := s.store.Unmoved(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		names, err := s.store.Names()
		if err == nil && names > known {
			s.log.Warn("the file has another name now (a hard link); what was written last is beside this one alone, so open it by no other",
				"file", s.store.Path(), "names", names)
		}
		if err == nil {
			known = names
		}
	}
	return nil
}

// gone says that the file was taken away, if it was, and where what it held is.
func (s *service) gone() error {
	if s.store == nil {
		return nil
	}
	moved := s.store.Moved()
	if moved == nil {
		return nil
	}
	if why := s.only.Load(); why != nil {
		return fmt.Errorf("%w; the file that is open here is the only copy, and can't be written to another: %w", moved, *why)
	}
	return moved
}

// rescue writes what a file holds that was taken away to another file, and adds to
// the error where that is. The manager hears meanwhile that the process is alive.
func (s *service) rescue(ctx context.Context, err error) error {
	if moved := s.store.Unmoved(context.WithoutCancel(ctx)); moved != nil {
		err = moved
	}
	if !errors.Is(err, store.ErrMoved) {
		return err
	}
	s.log.Error("the file is not at its place, and what it holds is written to another", "file", s.store.Path(), "err", err)
	reporting, done := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return s.reportToManager(reporting, func(context.Context) error { return nil }) })
	defer func() { done(); _ = g.Wait() }() // it gives no error
	return s.rescueFrom(ctx, err)
}

// rescueFrom tries until there is another copy: when the process ends, the open file
// is gone.
func (s *service) rescueFrom(ctx context.Context, moved error) error {
	for {
		to, err := s.store.Rescue(context.WithoutCancel(ctx))
		switch {
		case err == nil:
			return fmt.Errorf("%w\nall that it held is in %s now: give that its name to go on with it", moved, to)
		case errors.Is(err, store.ErrCorrupt):
			return fmt.Errorf("%w\nwhat it held can't be read any more: %w", moved, err)
		}
		s.only.Store(&err)
		s.log.Error("the open file is the only copy and can't be written to another", "file", s.store.Path(), "err", err)
		if stopped := pause.For(ctx, rescueAgain); stopped != nil {
			return fmt.Errorf("%w\nwhat it held could not be written to another file: %w", moved, err)
		}
	}
}
