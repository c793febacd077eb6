package indexer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"gapless/indexer"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
)

// What is wrong in a source that never changes ends the run, and is not recorded
// as missing; what the source does not have is.
func TestFixedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, devchain.Build(spec(80)))
		b.fixed, b.until = true, new(uint64(80))
		b.fake.Do(func(n *nodetest.Node) {
			n.Faults[3] = &nodetest.Fault{Kind: nodetest.RPCError, Code: 4444}
			n.Faults[75] = &nodetest.Fault{Kind: nodetest.WrongRoot}
		})
		b.start()
		err := <-b.ended
		wrong, ok := errors.AsType[*indexer.WrongError](err)
		if !ok || wrong.Number != 75 {
			t.Errorf("ended with %v", err)
		}
		rows, err := b.store.FailedFrom(t.Context(), 0, 10)
		if err != nil || len(rows) != 1 || rows[0].Number != 3 || rows[0].RetryCount != 1 {
			t.Errorf("missing are %+v, %v", rows, err)
		}
		b.ended <- nil
	})
}

// A source that never changes and has another chain than the file leads to no
// reorg.
func TestFixedSourceOfAnotherFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := devchain.Build(spec(30))
		b := newBench(t, ours)
		b.until = new(uint64(30))
		b.start()
		b.must(<-b.ended)
		b.ended <- nil
		b.must(ignore(b.stop()))
		b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = devchain.Build(forked(40, 20)), 40 })
		b.fixed, b.until = true, new(uint64(40))
		b.start()
		if err := <-b.ended; !errors.As(err, new(*store.ForkError)) {
			t.Errorf("ended with %v", err)
		}
		b.equals(ours)
		b.ended <- nil
	})
}

// ignore leaves out that a run was stopped.
func ignore(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
