package command

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// repair makes wrong blocks missing, so that they are fetched anew.
func (a *app) repair(ctx context.Context, db string, wrong []uint64) error {
	due, running := 0, false
	err := change(ctx, db, func(c *client) error {
		running = true
		for some := range slices.Chunk(wrong, rest.MostRepairs) {
			var answer rest.RepairAnswer
			if err := c.call(ctx, http.MethodPost, "/api/v1/repair", rest.RepairRequest{Blocks: some}, &answer); err != nil {
				return err
			}
			due += answer.Due
		}
		return nil
	}, func(s *store.Store) (err error) {
		due, err = rest.Repair(ctx, s, wrong)
		return err
	})
	if err != nil {
		return err
	}
	when := "when gapless run starts"
	if running {
		when = "now"
	}
	fmt.Fprintf(a.stderr, "%s to be fetched anew, %s\n", are(due, "block"), when)
	return nil
}

// audit looks once for numbers that are in no table, as after an edit by hand,
// and has them fetched. That it can't look ends nothing.
func (s *service) audit(ctx context.Context, e *engine) error {
	var holes []uint64
	err := s.store.Holes(ctx, func(number uint64) { holes = append(holes, number) })
	for _, number := range holes {
		var f *chain.Failure
		if f, err = s.store.Suspect(ctx, number, chain.Hole, "the number was in no table"); err != nil {
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
