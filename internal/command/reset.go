package command

import (
	"context"
	"errors"
	"path/filepath"

	"gapless/indexer"
)

// What becomes of the file when its chain was reset.
const (
	resetRotate = "rotate" // put it aside and begin anew
	resetStop   = "stop"
)

// index runs the engine's indexer until ctx ends or all is done. If the chain is
// reset meanwhile, as a development node does with each start, it goes on with a
// new file.
func (s *service) index(ctx context.Context, e *engine) error {
	for {
		err := e.indexer.Run(ctx)
		if !errors.Is(err, indexer.ErrReset) || !s.rotates(e) {
			return err
		}
		if err := s.rotate(ctx, e); err != nil {
			return err
		}
	}
}

// rotates reports whether a reset is followed: if nothing else was said, only
// where the nodes are on this machine, whose chains are there to be reset.
func (s *service) rotates(e *engine) bool {
	if s.onReset == "" {
		return e.chain.Loopback
	}
	return s.onReset == resetRotate
}

// rotate puts the file aside and begins a new one for the chain that the node
// serves now.
func (s *service) rotate(ctx context.Context, e *engine) error {
	aside, err := s.store.Rotate(ctx)
	if err != nil {
		return err
	}
	s.tellReset(filepath.Base(aside))
	s.isNew = true
	id, head, err := s.awaitNode(ctx)
	if err != nil {
		return err
	}
	want, err := s.identity(ctx, id, head)
	if err != nil {
		return err
	}
	if err := s.store.Identify(ctx, want); err != nil {
		return err
	}
	e.start = want.Start
	s.tellFollowing(id, head)
	return e.worker.Reload(ctx)
}
