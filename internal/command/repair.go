package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/gapfill"
	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// repair makes wrong blocks missing and has them fetched anew: by the process
// that has the file, else by this one.
func (a *app) repair(ctx context.Context, o options, wrong []uint64) error {
	out := newConsole(a.stderr)
	due, missing := 0, 0
	err := change(ctx, o.db, func(c *client) (err error) {
		for some := range slices.Chunk(wrong, rest.MostRepairs) {
			var answer rest.RepairAnswer
			if err := c.call(ctx, http.MethodPost, "/api/v1/repair", rest.RepairRequest{Blocks: some}, &answer); err != nil {
				return err
			}
			due += answer.Due
		}
		r, err := openFile(ctx, o.db)
		if err != nil {
			return err
		}
		defer r.Close()
		missing, err = settle(ctx, r, wrong)
		return err
	}, func(st *store.Store) (err error) {
		if due, err = rest.Repair(ctx, st, wrong); err != nil {
			return err
		}
		o.backoff = gapfill.Backoff{Base: gapfill.DefaultBase}
		s := newService(o, out, slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn})))
		s.store = st
		missing, err = s.refetch(ctx, wrong)
		return err
	})
	switch {
	case due == 0 && err != nil:
		return err // nothing was done
	case missing > 0 || err != nil:
		text := fmt.Sprintf("of %s %s missing now; gapless run will try on", count(due, "wrong block"), are(missing, "block"))
		if err == nil {
			err = errors.New("the node did not give them")
		}
		return &exitError{exitIncomplete, fmt.Errorf("%s: %w", text, err)}
	case due < len(wrong):
		return &exitError{exitFault, fmt.Errorf("%s outside of the blocks that the file has can't be repaired", count(len(wrong)-due, "fault"))}
	}
	out.printf("%s fetched anew\n", count(due, "wrong block"))
	return nil
}

// answerWithin is how long the node may take to say which chain it is on.
const answerWithin = 15 * time.Second

// refetch fetches blocks that were made missing, as run does, and gives how many
// still are.
func (s *service) refetch(ctx context.Context, blocks []uint64) (missing int, err error) {
	if err := s.openNode(); err != nil {
		return len(blocks), err
	}
	defer s.close()
	within, cancel := context.WithTimeoutCause(ctx, answerWithin, errors.New("the node does not answer"))
	defer cancel()
	e, err := s.start(within)
	if err != nil {
		return len(blocks), err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.worker.Run(ctx) })
	g.Go(func() (err error) {
		if missing, err = settle(ctx, s.store.Reader, blocks); err == nil {
			err = errFinished
		}
		return err
	})
	if err := g.Wait(); !errors.Is(err, errFinished) {
		return len(blocks), err
	}
	return missing, nil
}

const (
	settleLook = 100 * time.Millisecond // how often it is looked what has become of blocks
	settleSoon = 5 * time.Second        // a retry that is nearer is waited for
	settleIdle = 30 * time.Second       // how long nothing may happen
)

// settle waits until blocks that were made missing are there again, or were
// tried and will not be for a while, and gives how many are missing. It gives
// up when nothing happens.
func settle(ctx context.Context, r *store.Reader, blocks []uint64) (missing int, err error) {
	waiting := slices.Clone(blocks)
	for last := time.Now(); len(waiting) > 0 && time.Since(last) < settleIdle; {
		before := len(waiting)
		waiting = slices.DeleteFunc(waiting, func(number uint64) bool {
			row, failed := r.Failed(ctx, number)
			switch {
			case errors.Is(failed, store.ErrNotFound):
				return true
			case failed != nil:
				err = failed
			case row.Skipped() || row.RetryCount > 1 && time.Until(row.NextRetryAt) > settleSoon:
				missing++
				return true
			}
			return false
		})
		if err != nil {
			return missing + len(waiting), err
		}
		if len(waiting) < before {
			last = time.Now()
		}
		if err := pause.For(ctx, settleLook); err != nil {
			return missing + len(waiting), err
		}
	}
	return missing + len(waiting), nil
}

// audit looks once for numbers that are in no table, as after an edit by hand,
// and has them fetched. That it can't look ends nothing.
func (s *service) audit(ctx context.Context, e *engine) error {
	var holes []uint64
	err := s.store.Holes(ctx, func(number uint64) { holes = append(holes, number) })
	for _, number := range holes {
		var f *chain.Failure
		f, err = s.store.Suspect(ctx, number, chain.Hole, "the number was in no table")
		if errors.Is(err, store.ErrNotFound) { // rewound or pruned
			err = nil
			continue
		}
		if err != nil {
			break
		}
		s.log.Warn("a hole was found", "block", number)
		e.worker.Schedule(f)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the audit for holes stopped", "err", err)
	}
	return nil
}
