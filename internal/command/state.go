package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gapless/gapfill"
	"gapless/internal/api/rest"
)

// status tells of the file and of the process.
func (s *service) status(ctx context.Context) (rest.Status, error) {
	st, err := rest.FromFile(ctx, s.store.Reader)
	if err != nil {
		return st, err
	}
	st.Process = &rest.Process{ID: os.Getpid(), Version: version(), StartedAt: s.started.UTC()}
	if s.page != nil {
		st.Process.Page = s.page.url()
	}
	for _, e := range s.node.State() {
		st.Endpoints = append(st.Endpoints, rest.Endpoint{
			Label: e.Label, Up: e.Up, Since: e.Since, Class: e.Class, Error: e.Error, WebSocket: e.WebSocket, Rate: e.Rate,
			Batch: e.Batch, Receipts: e.Receipts, Leads: e.Leads, Head: e.Head, Behind: e.Behind, Lowest: e.Lowest,
			PausedUntil: e.PausedUntil, DisputedAt: e.DisputedAt, Awaited: (*rest.Awaited)(e.Awaited),
		})
	}
	st.Calls = s.calls()
	trouble := st.Missing.Trouble
	if e := s.engine.Load(); e != nil {
		e.describe(&st)
	} else {
		st.State = "waiting for the node"
		st.Missing, err = rest.CountMissing(ctx, s.store.Reader)
	}
	if why := s.paused(); why != nil {
		st.State, st.Rate = "paused: "+why.Error(), 0
	}
	st.Missing.Trouble = trouble
	if paced := s.paced(); paced != "" {
		st.State = paced
	}
	if err := s.usedUp(); err != nil {
		st.State = err.Error()
	}
	if notReady := s.ready(); notReady != nil {
		st.NotReady = notReady.Error()
	} else {
		st.Ready = true
	}
	return st, err
}

// describe adds what the engine knows.
func (e *engine) describe(st *rest.Status) {
	x := e.indexer.Status()
	st.State, st.Rate = x.State, x.Rate
	if st.NodeBehind = x.Lagging; x.Lagging {
		st.State = laggingLine(x)
	}
	if x.HasHead {
		lag := x.Lag()
		st.ChainHead, st.Lag = &x.ChainHead, &lag
	}
	if !x.AnsweredAt.IsZero() {
		st.AnsweredAt = x.AnsweredAt.UTC()
	}
	st.Missing = missingOf(e.worker.Missing())
}

func missingOf(m gapfill.Missing) rest.Missing {
	missing := rest.Missing{Count: m.Count, Skipped: m.Skipped}
	if !m.Oldest.IsZero() {
		missing.Oldest = m.Oldest.UTC()
	}
	if !m.NextAt.IsZero() {
		missing.NextAt = m.NextAt.UTC()
	}
	return missing
}

// How old the node's last answer may be. With a subscription it is asked for
// its head every 4 s, or every 48 s off this machine.
const (
	staleNear = 15 * time.Second
	staleFar  = 3 * time.Minute
)

// ready says why the index can't be relied on now to be where the chain is. The
// age of the last block does not matter: a chain may be idle.
func (s *service) ready() error {
	if err := s.gone(); err != nil {
		return err
	}
	if err := s.usedUp(); err != nil {
		return err
	}
	if err := s.paused(); err != nil && s.engine.Load() == nil {
		return err
	}
	e := s.engine.Load()
	if e == nil {
		if paced := s.paced(); paced != "" {
			return fmt.Errorf("waiting for the node: %s", paced)
		}
		if why := s.waiting.Load(); why != nil {
			return fmt.Errorf("waiting for the node: %s", *why)
		}
		return errors.New("waiting for the node")
	}
	if err := s.down(); err != nil {
		return err
	}
	if err := s.paused(); err != nil {
		return err
	}
	if s.reached.Load() && s.finished == nil {
		return nil // the head is not asked for any more
	}
	stale := staleFar
	if e.chain.Loopback {
		stale = staleNear
	}
	stale += 2 * s.node.PollEvery()
	at := e.indexer.Status().AnsweredAt
	switch age := time.Since(at); {
	case at.IsZero():
		return errors.New("the node has not told its head yet")
	case age > stale:
		return fmt.Errorf("the node last told its head %s ago", span(age))
	}
	return nil
}

// down says why no endpoint is up, if so.
func (s *service) down() error {
	states := s.node.State()
	for _, e := range states {
		if e.Up {
			return nil
		}
	}
	return fmt.Errorf("no node answers: %s", states[0].Error)
}

// reload is called after others have changed what is retried when.
func (s *service) reload(ctx context.Context) error {
	if e := s.engine.Load(); e != nil {
		return e.worker.Reload(ctx)
	}
	return nil // the rows are read when there is one
}
