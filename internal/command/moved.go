package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gapless/internal/pause"
	"gapless/internal/store"
)

// movedLook is how often it is looked whether the file is still at its place while
// nothing is written, which looks too.
const movedLook = 5 * time.Second

// watchPlace fails with [store.ErrMoved] when the file is not at its place any more.
func (s *service) watchPlace(ctx context.Context) error {
	for pause.For(ctx, movedLook) == nil {
		if err := s.store.Unmoved(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// rescue writes what a file holds that was taken away to another file, and adds to
// the error where that is. While there is no room for it, it stays: when the process
// ends, the open file is gone.
func (s *service) rescue(ctx context.Context, err error) error {
	if !errors.Is(err, store.ErrMoved) {
		return err
	}
	for {
		to, failed := s.store.Rescue(ctx)
		switch {
		case failed == nil:
			return fmt.Errorf("%w\nall that it held is in %s now: give that its name to go on with it", err, to)
		case !errors.As(failed, new(store.NoRoom)):
			return fmt.Errorf("%w\nwhat it held could not be written to another file: %w", err, failed)
		}
		s.log.Error("the open file is the only copy and there is no room for another", "file", s.store.Path(), "err", failed)
		if stopped := pause.For(ctx, time.Minute); stopped != nil {
			return fmt.Errorf("%w\nthere was no room to write what it held to another file", err)
		}
	}
}
