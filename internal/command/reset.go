package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
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
		if !errors.Is(err, indexer.ErrReset) || !s.rotates(e.chain) {
			return explainLagging(err)
		}
		if err := s.rotate(ctx, e); err != nil {
			return err
		}
	}
}

// rotates reports whether a reset is followed: if nothing else was said, only
// where the nodes are on this machine, whose chains are there to be reset.
func (s *service) rotates(id chain.Identity) bool {
	if s.onReset == "" {
		return id.Loopback
	}
	return s.onReset == resetRotate
}

// rotate puts the file aside and begins a new one for the chain that the node
// serves now.
func (s *service) rotate(ctx context.Context, e *engine) error {
	if err := s.putAside(ctx); err != nil {
		return err
	}
	id, head, start, err := s.settle(ctx)
	if err != nil {
		return err
	}
	e.start = start
	s.tellFollowing(id, head)
	return e.worker.Reload(ctx)
}

func (s *service) putAside(ctx context.Context) error {
	aside, err := s.store.Rotate(ctx)
	if errors.Is(err, store.ErrReplicated) {
		return fmt.Errorf("the chain was reset: %w\nstop Litestream, move the file and its replica away, and start both again; if it is not in use any more: sqlite3 %s 'DROP TABLE _litestream_seq'",
			err, pasted(s.db))
	}
	if err != nil {
		return err
	}
	s.isNew = true
	s.tellReset(filepath.Base(aside))
	return nil
}

// settle waits until the node says which chain it serves and stays with it, and
// binds the file to that. A node that is started again meanwhile is asked anew.
func (s *service) settle(ctx context.Context) (id chain.Identity, head, start uint64, err error) {
	for told := ""; ; {
		if id, head, err = s.awaitNode(ctx); err != nil {
			return id, 0, 0, err
		}
		var want store.Identity
		err := s.untilWritable(ctx, func() (err error) {
			want, err = s.bind(ctx, id, head)
			return err
		})
		if err == nil || ctx.Err() != nil || !passes(err, id) {
			return id, head, want.Start, err
		}
		told = s.waitsFor(err, told)
		if err := pause.For(ctx, confirmPause); err != nil {
			return id, 0, 0, err
		}
	}
}

// passes reports whether a file could not be bound for a reason that passes.
// Nodes elsewhere are not started again at will: one that is not sure of its
// chain is wrongly set up.
func passes(err error, id chain.Identity) bool {
	if errors.Is(err, errUnsure) {
		return id.Loopback
	}
	return errors.As(err, new(*chain.Error)) // a node's
}

// bind gives a new file the node's chain, or makes sure that it is the file's.
// If the chain was reset since the file was last open, it may put the file
// aside first.
func (s *service) bind(ctx context.Context, id chain.Identity, head uint64) (store.Identity, error) {
	want, err := s.identity(ctx, id, head)
	if err != nil {
		return want, err
	}
	if err := s.resolveUntil(want.Start, head); err != nil {
		return want, err // before a new file is bound to the chain
	}
	if s.isNew {
		if err := s.checkHistory(ctx, want.Start, head); err != nil {
			return want, err
		}
	}
	err = s.store.Identify(ctx, want)
	other, differs := errors.AsType[*store.IdentityError](err)
	if !differs || other.File.ChainID != other.Node.ChainID || !s.rotates(id) {
		return want, err
	}
	if err := s.confirm(ctx, want); err != nil {
		return want, err
	}
	if err := s.putAside(ctx); err != nil {
		return want, err
	}
	return s.bind(ctx, id, head)
}

// A reset must be told three times over two seconds.
const (
	confirmLooks = 2
	confirmPause = time.Second
)

var errUnsure = errors.New("the node tells of one chain and then of another")

// confirm asks the node again for the genesis that it told. If it tells another, that is
// errUnsure.
func (s *service) confirm(ctx context.Context, want store.Identity) error {
	for range confirmLooks {
		if err := pause.For(ctx, confirmPause); err != nil {
			return err
		}
		id, err := s.node.Identity(ctx)
		if err != nil {
			return err
		}
		if id.ChainID != want.ChainID || id.Genesis == nil || id.Genesis.Hash != want.Genesis {
			return errUnsure
		}
	}
	return nil
}
