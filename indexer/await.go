package indexer

import (
	"context"
	"errors"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

const (
	foreignEvery = 5 * time.Second  // how often a source that serves another chain is looked at
	mostToldWait = 15 * time.Minute // however long a node says that it wants to be left alone
	roomEvery    = 5 * time.Second  // how often it is tried again to write
	lockPatience = 10 * time.Minute // how long a run that has an end waits for another program's lock
	failingEvery = time.Second      // at least, before a source that fails again as soon as it answers is asked
)

// endpointFailed reports whether an error is of the source, not of a block or
// the store.
func endpointFailed(err error) bool {
	e, ok := errors.AsType[*chain.Error](err)
	return ok && !e.Class.OfBlock()
}

// blockFailed reports whether an error is of a block: a source that answers
// does not have it, or not right.
func blockFailed(err error) bool {
	e, ok := errors.AsType[*chain.Error](err)
	return ok && e.Class.OfBlock()
}

// await waits for the source, then makes sure that it serves the file's chain.
func (x *Indexer) await(ctx context.Context, cause error) error {
	x.log.Warn("waiting for the node", "err", cause)
	x.movedOn() // it may be another one afterwards
	x.setState("waiting for the node: " + cause.Error())
	if err := pause.For(ctx, time.Until(x.awaited.Add(failingEvery))); err != nil {
		return err
	}
	err := cause
	for err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, ok := errors.AsType[*store.IdentityError](err); ok {
			err = x.awaitChain(ctx, err)
		} else if endpointFailed(err) || errors.As(err, new(*chain.Error)) {
			err = x.awaitAnswer(ctx, err)
		} else {
			return err
		}
	}
	x.log.Info("the node answers again")
	x.awaited = time.Now()
	if x.options.Recovered != nil {
		x.options.Recovered()
	}
	return nil
}

// awaitAnswer waits until the source says which chain it serves, and returns
// an [*store.IdentityError] if that is another one. A source that is on another
// chain may not count as one that answers: so it is asked in any case.
func (x *Indexer) awaitAnswer(ctx context.Context, cause error) error {
	if err := pause.For(ctx, toldToWait(cause)); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, x.patience())
	defer cancel()
	if err := x.source.Await(within); err != nil && (ctx.Err() != nil || within.Err() == nil) {
		return err
	}
	err := x.sameChain(ctx)
	if errors.As(err, new(*chain.Error)) {
		return errors.Join(err, pause.For(ctx, time.Second))
	}
	return err
}

// patience is how long an answer is waited for before the source is asked for
// its chain.
func (x *Indexer) patience() time.Duration {
	if x.options.Loopback {
		return 3 * time.Second
	}
	return 30 * time.Second
}

// errSilent says that the source has told nothing of its head for a while.
var errSilent = &chain.Error{Class: chain.EndpointDown, Err: errors.New("it tells nothing of its head")}

// awaitChain waits for a source that serves another chain. It returns
// [ErrReset] if that is sure to have taken the place of the file's.
func (x *Indexer) awaitChain(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*store.IdentityError](err); ok && e.File.ChainID == e.Node.ChainID {
		sure, err := x.sure(ctx, x.gone)
		if sure {
			return ErrReset
		}
		return err
	}
	state := "waiting for the file's chain: " + err.Error()
	if x.setState(state) != state {
		x.log.Error("the node serves another chain", "err", err)
	}
	if err := pause.For(ctx, foreignEvery); err != nil {
		return err
	}
	return x.awaitAnswer(ctx, nil)
}

// toldToWait is how long the node asked to be left alone.
func toldToWait(err error) time.Duration {
	if e, ok := errors.AsType[*chain.Error](err); ok {
		return min(e.After, mostToldWait)
	}
	return 0
}

// sameChain compares the source's identity with the file's. A difference is an
// [*store.IdentityError].
func (x *Indexer) sameChain(ctx context.Context) error {
	id, err := x.source.Identity(ctx)
	if err != nil {
		return err
	}
	theirs := store.Identity{ChainID: id.ChainID, Genesis: x.file.Genesis, Client: id.Client}
	if id.Genesis != nil {
		theirs.Genesis = id.Genesis.Hash
	}
	if theirs.ChainID != x.file.ChainID || theirs.Genesis != x.file.Genesis {
		return &store.IdentityError{File: x.file, Node: theirs}
	}
	return nil
}

// room says whether there is room for a commit.
func (x *Indexer) room() error {
	if x.options.Room == nil {
		return nil
	}
	return x.options.Room()
}

// awaitRoom waits for a moment, before it is tried again to write where that
// failed for now. A run that has an end does not wait for room, which may never
// come, and for a lock a while.
func (x *Indexer) awaitRoom(ctx context.Context, why store.NoRoom, err error) error {
	isNew, since := x.setPaused(err)
	if x.options.Until != nil && (why != store.ErrBusy || time.Since(since) > lockPatience) {
		return err
	}
	x.setState(why.Error())
	if isNew {
		x.log.Error("indexing pauses until the file can be written", "err", err)
	}
	return pause.For(ctx, roomEvery)
}

// goesOn notes that the file can be written.
func (x *Indexer) goesOn() {
	if wasPaused, since := x.setPaused(nil); wasPaused {
		x.log.Info("the file can be written again", "paused_for", time.Since(since).Round(time.Second))
	}
}

// sure makes sure that something is true for longer than a node takes to start
// or an endpoint to be exchanged: it is, each time that it is looked at.
func (x *Indexer) sure(ctx context.Context, is func(context.Context) (bool, error)) (bool, error) {
	looks, every := 7, 15*time.Second
	if x.options.Loopback {
		looks, every = 3, time.Second
	}
	for i := range looks {
		if i > 0 {
			if err := pause.For(ctx, every); err != nil {
				return false, err
			}
		}
		if yes, err := is(ctx); err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}
