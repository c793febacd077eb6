package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// A binder makes sure, as the service does, that the file is of the chain that
// the nodes serve.
type binder struct {
	program *program
	node    *node.Node
	store   *store.Store
}

// Reasons to end with exit code 1 at the start.
var (
	errRefused = errors.New("every endpoint refuses")
	errUnclear = errors.New("the node tells of one chain and then of another")
)

// bind gives a new file the node's chain. If the chain was reset, it may put the
// file aside first.
func (b *binder) bind(ctx context.Context) error {
	id, err := b.await(ctx)
	if err != nil {
		return err
	}
	err = b.identify(ctx, id)
	other, differs := errors.AsType[*store.IdentityError](err)
	if !differs || other.File.ChainID != other.Node.ChainID || !b.program.loopback {
		return err
	}
	for range 2 {
		if err := pause.For(ctx, time.Second); err != nil {
			return err
		}
		again, err := b.node.Identity(ctx)
		if err != nil || again.Genesis == nil || again.ChainID != id.ChainID || again.Genesis.Hash != id.Genesis.Hash {
			return errUnclear
		}
	}
	if err := b.rotate(ctx); err != nil {
		return err
	}
	return b.bind(ctx)
}

func (b *binder) identify(ctx context.Context, id chain.Identity) error {
	want := store.Identity{ChainID: id.ChainID, Start: b.program.start, Client: id.Client}
	if file, err := b.store.Identity(ctx); err == nil {
		want.Genesis = file.Genesis // if the node can't tell
	}
	if id.Genesis != nil {
		want.Genesis = id.Genesis.Hash
	}
	return b.store.Identify(ctx, want)
}

func (b *binder) rotate(ctx context.Context) error {
	if _, err := b.store.Rotate(ctx); err != nil {
		return err
	}
	b.program.world.counts.add("file put aside")
	b.program.mu.Lock()
	b.program.rotated++
	b.program.mu.Unlock()
	return nil
}

// await asks the nodes for their chain until one answers.
func (b *binder) await(ctx context.Context) (chain.Identity, error) {
	for {
		id, err := b.ask(ctx)
		switch {
		case err == nil:
			return id, nil
		case ctx.Err() != nil:
			return id, context.Cause(ctx)
		case b.refused():
			return id, errRefused
		}
		if err := pause.For(ctx, time.Second); err != nil {
			return id, err
		}
	}
}

func (b *binder) ask(ctx context.Context) (chain.Identity, error) {
	file, unbound := b.store.Identity(ctx)
	if unbound == nil {
		b.node.Expect(file.ChainID, common.Hash{}) // the genesis may be a reset's
	}
	id, err := b.node.Identity(ctx)
	if err != nil {
		return id, err
	}
	if id.Genesis == nil && unbound != nil {
		return id, errors.New("no genesis")
	}
	genesis := file.Genesis
	if id.Genesis != nil {
		genesis = id.Genesis.Hash
	}
	b.node.Expect(id.ChainID, genesis)
	_, err = b.node.Head(ctx)
	return id, err
}

func (b *binder) refused() bool {
	for _, e := range b.node.State() {
		if e.Class != string(chain.EndpointRefuses) {
			return false
		}
	}
	return true
}
