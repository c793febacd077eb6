package command

import (
	"context"
	"time"

	"gapless/internal/pause"
	"gapless/internal/systemd"
)

// A manager is a service manager that wants to hear how the process does.
type manager interface {
	Tell(states ...string) error
	Patience() time.Duration
}

// findManager gives the manager that started this process, nil if there is none
// or what the environment says of it makes no sense: it can't be told then.
func (s *service) findManager() {
	m, err := systemd.FromEnvironment()
	if err != nil {
		s.log.Warn("the service manager can't be told anything", "err", err)
	}
	if m != nil {
		s.manager = m
	}
}

// tellManager tells the manager, if there is one. One that does not listen is
// no reason to stop.
func (s *service) tellManager(states ...string) {
	if s.manager == nil {
		return
	}
	if err := s.manager.Tell(states...); err != nil {
		s.log.Warn("the service manager was not told", "err", err)
	}
}

// reportEvery is how often the manager hears how far it is, at least.
const reportEvery = 5 * time.Second

// reportToManager tells the manager until ctx ends how far it is and, for as
// long as the writer answers, that the process is alive: whatever else runs,
// without the writer nothing is done.
func (s *service) reportToManager(ctx context.Context, answers func(context.Context) error) error {
	if s.manager == nil {
		return nil
	}
	every := reportEvery
	if patience := s.manager.Patience(); patience > 0 {
		every = min(every, patience/3)
	}
	for {
		if err := within(ctx, every, answers); err == nil {
			s.tellManager(systemd.Alive, systemd.Status(s.summary()))
		} else if ctx.Err() == nil {
			s.tellManager(systemd.Status("what writes the file does not answer"))
		}
		if pause.For(ctx, every) != nil {
			return nil
		}
	}
}

// within calls do with so much time.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}

// summary says in a line how far it is.
func (s *service) summary() string {
	if gone := s.gone(); gone != nil {
		return gone.Error()
	}
	if e := s.engine.Load(); e != nil {
		missing := e.worker.Missing()
		return progressLine(e.indexer.Status(), e.start, missing.Count, missing.NextAt, s.held())
	}
	return s.ready().Error() // that it waits for the node, and why
}
