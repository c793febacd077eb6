package command

import (
	"context"
	"errors"
	"time"

	"gapless/internal/pause"
	"gapless/internal/store"
)

// trim moves the start block up behind the head, if only so many blocks are to
// be kept. What was pruned, here or by a command, is taken out of the queue, and
// its space given back.
func (s *service) trim(ctx context.Context, e *engine) error {
	for trimmed := uint64(0); ; {
		changed := s.store.Changed()
		start, err := s.keepOnly(ctx, s.keep, s.keep/64)
		if err == nil && start != trimmed {
			e.worker.Pruned(start)
			trimmed, err = start, s.store.Shrink(ctx)
		}
		switch {
		case errors.As(err, new(store.NoRoom)):
			s.log.Warn("what is to be deleted waits for room", "err", err)
			err = pause.For(ctx, trimPause)
		case err == nil || errors.Is(err, store.ErrNoChain): // rotated just now
			select {
			case <-ctx.Done():
				err = context.Cause(ctx)
			case <-changed:
				err = nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// trimPause is the wait where there is no room to delete.
const trimPause = 10 * time.Second

// keepOnly deletes what is more than n blocks below the head and final, once
// that is more than a number of blocks, and gives the start block. An n of 0 is
// for all.
func (s *service) keepOnly(ctx context.Context, n, more uint64) (uint64, error) {
	start, next, err := s.store.Bounds(ctx)
	if err != nil || n == 0 || next-start <= n+more {
		return start, err
	}
	final, err := s.store.Prunable(ctx)
	if err != nil {
		return start, err
	}
	for below := min(next-n, final); start < below; {
		if start, err = s.store.Prune(ctx, below); err != nil {
			return start, err
		}
	}
	return start, nil
}
