package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/pause"
	"gapless/internal/store"
)

// Waits between questions to a node that does not answer yet.
const (
	firstAsk = 250 * time.Millisecond
	nextAsks = time.Second     // on this machine, at most
	farAsks  = 5 * time.Second // elsewhere, at most
	refusals = time.Minute     // elsewhere, at most, while every endpoint refuses
)

// awaitNode asks the node for its chain and head until it answers. It fails if
// every endpoint is of another chain than the file, or refuses to serve us for
// longer than that is waited for.
func (s *service) awaitNode(ctx context.Context) (id chain.Identity, head uint64, err error) {
	told, began := "", time.Now()
	for wait := firstAsk; ; wait *= 2 {
		id, head, err = s.askNode(ctx)
		switch {
		case err == nil:
			return id, head, nil
		case ctx.Err() != nil:
			return id, 0, context.Cause(ctx)
		case s.refused() && errors.Is(err, node.ErrAnotherChain):
			return id, 0, fmt.Errorf("%w\n%s is of another chain than the node's: give each chain its own --db", err, s.db)
		case s.refused() && time.Since(began) >= s.refusalWait():
			return id, 0, err
		case chain.ClassOf(err) == chain.EndpointDown && s.findSocket(ctx):
			continue
		}
		told = s.waitsFor(err, told)
		longest := farAsks
		if id.Loopback {
			longest = nextAsks
		} else if s.refused() {
			longest = min(refusals, max(firstAsk, s.refusalWait()-time.Since(began)))
		}
		wait = min(wait, max(longest, s.node.PollEvery()))
		if err := pause.For(ctx, wait); err != nil {
			return id, 0, err
		}
	}
}

// refusalWait is how long a start waits while every endpoint refuses: at the first
// it may be the URL that is wrong, later it is the node's trouble, as any other. A
// run that has an end does not wait for ever.
func (s *service) refusalWait() time.Duration {
	switch {
	case s.until != nil && !s.isNew, s.isNew && s.waits:
		return s.wait
	case s.isNew:
		return 0
	}
	return math.MaxInt64
}

// waitsFor tells why there is a wait, unless that was told last. It returns what
// was.
func (s *service) waitsFor(err error, told string) string {
	why := describe(err)
	s.waiting.Store(&why)
	if why != told {
		s.tellWaiting(why)
	}
	return why
}

func (s *service) askNode(ctx context.Context) (chain.Identity, uint64, error) {
	file, err := s.store.Identity(ctx)
	if err == nil {
		s.node.Expect(file.ChainID, common.Hash{}) // the genesis may be a reset's
	}
	id, err := s.node.Identity(ctx)
	if err != nil {
		return id, 0, err
	}
	if id.Genesis == nil && s.isNew {
		return id, 0, errors.New("the node does not give block 0, by whose hash a chain is known")
	}
	genesis := file.Genesis
	if id.Genesis != nil {
		genesis = id.Genesis.Hash
	}
	s.node.Expect(id.ChainID, genesis)
	head, err := s.node.Head(ctx)
	if err != nil {
		return id, 0, err
	}
	return id, head.Number, nil
}

// refused reports whether every endpoint refuses to serve us.
func (s *service) refused() bool {
	for _, e := range s.node.State() {
		if e.Class != string(chain.EndpointRefuses) {
			return false
		}
	}
	return true
}

// finish waits until all up to the last block is there, if there is a last
// one, and ends the work or does what was asked for instead.
func (s *service) finish(ctx context.Context) error {
	if s.last == nil {
		return nil
	}
	missing, err := s.complete(ctx, *s.last)
	if err != nil {
		return err
	}
	if s.finished != nil {
		return s.finished(ctx, s, missing)
	}
	if _, err := s.keepOnly(ctx, s.keep, 0); err != nil {
		return err
	}
	if missing > 0 {
		return &exitError{exitIncomplete, fmt.Errorf("%s still missing up to block %s; `gapless gaps --db %s` lists them",
			are(missing, "block"), thousands(*s.last), pasted(s.db))}
	}
	return errFinished
}

// complete waits until the index has moved past the last block, and then for
// so long as it was told to for those that are missing. It returns how many
// still are.
func (s *service) complete(ctx context.Context, last uint64) (missing int, err error) {
	err = s.onChange(ctx, nil, func() (bool, error) {
		next, err := s.store.Next(ctx)
		if errors.Is(err, store.ErrNoChain) {
			return false, nil // the file was rotated just now
		}
		return next > last, err
	})
	if err != nil {
		return 0, err
	}
	s.reached.Store(true)
	if s.finished == nil { // else the chain is followed on
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-s.engine.Load().ended: // it has all its indexes
		}
	}
	if err := s.awaitRetries(ctx, last); err != nil {
		return 0, err
	}
	err = s.store.EachDue(ctx, func(d store.Due) {
		if d.Number <= last {
			missing++
		}
	})
	return missing, err
}

// awaitRetries waits until nothing up to the last block is retried any more, or
// for so long as it was told to. That begins anew after a time without calls,
// because those of a day were used up.
func (s *service) awaitRetries(ctx context.Context, last uint64) error {
	enough := time.NewTimer(s.wait)
	defer enough.Stop()
	for {
		waits := false
		err := s.onChange(ctx, enough.C, func() (_ bool, err error) {
			waits, err = s.retriesUpTo(ctx, last)
			return !waits, err
		})
		left := time.Until(s.node.RestsUntil().Add(s.wait))
		if err != nil || !waits || left <= 0 {
			return err
		}
		enough.Reset(left)
	}
}

// onChange calls done now and after each commit, until it says so or enough
// fires.
func (s *service) onChange(ctx context.Context, enough <-chan time.Time, done func() (bool, error)) error {
	for {
		changed := s.store.Changed() // before looking, to miss nothing
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-enough:
			return nil
		}
	}
}

// retriesUpTo reports whether a block up to the last is missing and not
// skipped.
func (s *service) retriesUpTo(ctx context.Context, last uint64) (bool, error) {
	const page = 100
	for from := uint64(0); ; {
		rows, err := s.store.FailedFrom(ctx, from, page)
		if err != nil {
			return false, err
		}
		for i := range rows {
			if rows[i].Number > last {
				return false, nil
			}
			if !rows[i].Skipped() {
				return true, nil
			}
			from = rows[i].Number + 1
		}
		if len(rows) < page {
			return false, nil
		}
	}
}
