package gapfill_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/store"
)

// A meddler is a context that lets something happen when it is asked for its Done
// channel for the nth time: before, while or after a query reads. It waits for
// that for a while only, since the one who asks may hold what it needs.
type meddler struct {
	context.Context

	left   atomic.Int32
	happen func()
	done   chan struct{}
}

func (m *meddler) Done() <-chan struct{} {
	const patience = 200_000
	if m.left.Add(-1) == 0 {
		go func() {
			defer close(m.done)
			m.happen()
		}()
		for range patience {
			select {
			case <-m.done:
				return m.Context.Done()
			default:
				runtime.Gosched()
			}
		}
	}
	return m.Context.Done()
}

// missing gives the numbers of the rows.
func (b *bench) missing() (numbers []uint64) {
	b.t.Helper()
	if err := b.store.EachDue(context.WithoutCancel(b.t.Context()), func(d store.Due) { numbers = append(numbers, d.Number) }); err != nil {
		b.t.Fatal(err)
	}
	return numbers
}

// Whatever is committed and told while the rows are read, the queue has the rows.
func TestReloadMissesNothing(t *testing.T) {
	for name, happen := range map[string]func(*bench) error{
		"a block fails": func(b *bench) error {
			f := failure(10, 3, 16*time.Second)
			err := b.store.Commit(context.WithoutCancel(b.t.Context()), []store.Entry{{Failure: f}})
			b.worker.Schedule(f)
			return err
		},
		"a rewind, and a block fails": func(b *bench) error {
			f := failure(6, 3, 16*time.Second)
			err := b.store.Rewind(context.WithoutCancel(b.t.Context()), store.Reorg{Ancestor: 5}, []store.Entry{{Failure: f}})
			b.worker.Rewound(5)
			b.worker.Schedule(f)
			return err
		},
		"blocks are pruned": func(b *bench) error {
			_, err := b.store.Prune(context.WithoutCancel(b.t.Context()), 5)
			b.worker.Pruned(5)
			return err
		},
		"all are due": func(b *bench) error {
			b.worker.RetryAll()
			for b.row(6) != nil { // the others fail again
				runtime.Gosched()
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			for nth := 4; nth <= 8; nth++ { // from the fifth on the query has begun to read
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, 3, 6, 8)
					b.fail[3], b.fail[8] = errNode, errNode
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					m := &meddler{Context: ctx, done: make(chan struct{}), happen: func() {
						if err := happen(b); err != nil {
							t.Error(err)
						}
					}}
					m.left.Store(int32(nth))
					if err := b.worker.Reload(m); err != nil {
						t.Fatal(err)
					}
					if m.left.Swap(-1) > 0 {
						t.Fatalf("the query asks less than %d times", nth)
					}
					<-m.done
					synctest.Wait()
					if got, want := b.worker.Missing().Count, len(b.missing()); got != want {
						t.Errorf("at %d: %d blocks are missing by the queue, rows %v", nth, got, b.missing())
					}
					b.do(func() { b.fail = map[uint64]error{10: errNode} })
					time.Sleep(time.Hour)
					var left []uint64
					for _, number := range b.missing() {
						if number != 10 {
							left = append(left, number)
						}
					}
					if diff := cmp.Diff([]uint64(nil), left); diff != "" {
						t.Errorf("at %d: not retried: %s", nth, diff)
					}
				})
			}
		})
	}
}
