package command

import (
	"context"
	"fmt"
	"time"

	"gapless/internal/api/rest"
	"gapless/internal/node"
)

const (
	callsPerBlock = 2               // that most nodes are asked: the block and its receipts
	quotaLook     = time.Second     // how often it is looked whether calls wait
	pacedFrom     = 2 * time.Second // how long calls have waited when that is told
)

// countEarlier tells the node's client about how many calls of the day were made
// before this start, by the blocks that came of them.
func (s *service) countEarlier(ctx context.Context) error {
	if s.dailyCalls == 0 {
		return nil
	}
	blocks, err := s.store.IndexedSince(ctx, time.Now().UTC().Truncate(24*time.Hour))
	s.node.Spent(callsPerBlock * blocks)
	return err
}

// calls are those of the day; nil without a limit.
func (s *service) calls() *rest.Calls {
	b, ok := s.node.Budget()
	if !ok {
		return nil
	}
	return &rest.Calls{
		Limit: b.Daily, Used: b.Used, Left: b.Left, ResetsAt: b.ResetsAt, PacedSince: b.PacedSince, Needed: b.Needed, Outgrown: b.Outgrown(),
	}
}

// usedUp says until when nothing is asked for because the calls of the day are
// used up, if so.
func (s *service) usedUp() error {
	if s.node == nil {
		return nil
	}
	b, ok := s.node.Budget()
	if !ok || !b.UsedUp() {
		return nil
	}
	return fmt.Errorf("rate limited until 00:00 UTC: the calls of the day are used up (--daily-calls %d)", b.Daily)
}

// paced says that calls wait so that those of the day last; empty if none does.
func (s *service) paced() string {
	if s.node == nil {
		return ""
	}
	b, _ := s.node.Budget()
	return pacedBy(b)
}

func pacedBy(b node.Budget) string {
	if b.PacedSince.IsZero() {
		return ""
	}
	return fmt.Sprintf("paced by --daily-calls, %s left until 00:00 UTC", thousands(b.Left))
}

// watchQuota tells when calls begin to wait for those of the day, once a day,
// and notes whether that keeps the service from starting.
func (s *service) watchQuota(ctx context.Context) error {
	if s.dailyCalls == 0 {
		return nil
	}
	tick := time.NewTicker(quotaLook)
	defer tick.Stop()
	var told time.Time // the day's end
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		b, _ := s.node.Budget()
		why := pacedBy(b)
		switch {
		case why == "":
			s.heldBy.Store(nil)
			continue
		case time.Since(b.PacedSince) < pacedFrom: // one call may just have been made, as now and then
			continue
		}
		s.heldBy.Store(&why)
		if !told.Equal(b.ResetsAt) {
			told = b.ResetsAt
			s.tellPaced(b)
		}
	}
}

// tellPaced says that calls wait for those of the day. The progress line does,
// where there is one.
func (s *service) tellPaced(b node.Budget) {
	switch {
	case !s.plain:
		s.log.Info("paced by --daily-calls", "left", b.Left, "until", b.ResetsAt)
	case s.engine.Load() == nil:
		s.out.printf("node  %s: %s\n", s.endpoints(), pacedBy(b))
	}
}
