package gapfill_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gapless/gapfill"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

var (
	backoff = gapfill.Backoff{Base: 2 * time.Second}
	errNode = &chain.Error{Class: chain.BlockError, Err: errors.New("header not found")}
)

// A bench is a store with blocks 0 to 9, some of them missing, and an index
// function that does as it is told.
type bench struct {
	t        *testing.T
	path     string
	store    *store.Store
	worker   *gapfill.Worker
	registry *prometheus.Registry
	blocks   []*chain.Block
	full     atomic.Bool // the disk

	mu        sync.Mutex       // guards what follows
	fail      map[uint64]error // of a block
	down      error            // of the endpoint
	up        bool             // await finds that it answers, at once
	most      int              // entries that index gives; 0: all
	asked     []uint64
	meanwhile func() // runs once inside index, before it returns
}

// do changes or reads what index goes by.
func (b *bench) do(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// askedFor gives what was asked for since it was last called.
func (b *bench) askedFor() (numbers []uint64) {
	b.do(func() { numbers, b.asked = b.asked, nil })
	return numbers
}

func newBench(t *testing.T, missing ...uint64) *bench {
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "gapless.db"), blocks: blocksOf(t, 9), fail: map[uint64]error{}}
	b.open()
	id := store.Identity{ChainID: 1337, Genesis: b.blocks[0].Hash}
	if err := b.store.Identify(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, block := range b.blocks {
		b.commit(block, slices.Contains(missing, block.Number))
	}
	b.start()
	return b
}

func blocksOf(t *testing.T, last int) (blocks []*chain.Block) {
	recording := devchain.Build(devchain.Spec{Blocks: last, Transactions: 2, Logs: 1})
	for i := range recording.Blocks {
		b, err := recording.Blocks[i].Decode()
		if err != nil {
			t.Fatal(err)
		}
		if v := chain.Verify(b, chain.AllChecks); !v.Verified() {
			t.Fatal(v.Why)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func (b *bench) open() {
	s, err := store.Open(b.t.Context(), b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.store = s
	b.t.Cleanup(func() {
		checkIndex(b.t, s.Reader)
		if err := s.Close(); err != nil {
			b.t.Error(err)
		}
	})
}

// checkIndex fails the test if the file breaks a promise.
func checkIndex(t *testing.T, r *store.Reader) {
	checker := store.Checker{Fault: func(f store.Fault) { t.Error(f) }}
	if _, err := checker.Check(context.WithoutCancel(t.Context()), r); err != nil {
		t.Error(err)
	}
}

// commit commits the next block, or its failure, which is due in 16 s.
func (b *bench) commit(block *chain.Block, missing bool) {
	b.t.Helper()
	entry := store.Entry{Block: block}
	var anchors []store.Anchor
	if missing {
		entry = store.Entry{Failure: failure(block.Number, 3, 16*time.Second)}
	} else if below, err := b.store.Highest(b.t.Context(), block.Number); err != nil {
		b.t.Fatal(err)
	} else if below != nil {
		anchors = append(anchors, *below)
	}
	if err := b.store.Commit(b.t.Context(), []store.Entry{entry}, anchors...); err != nil {
		b.t.Fatal(err)
	}
	if missing && b.worker != nil {
		b.worker.Schedule(entry.Failure)
	}
}

func failure(number uint64, tries int, due time.Duration) *chain.Failure {
	f := chain.Failed(number, errNode, tries, time.Now())
	f.NextAt = f.At.Add(due)
	return f
}

// start makes the worker and runs it until the test ends.
func (b *bench) start() {
	b.registry = prometheus.NewRegistry()
	worker, err := gapfill.New(b.t.Context(), b.store, backoff, b.index, b.await, slog.New(slog.DiscardHandler), b.registry)
	if err != nil {
		b.t.Fatal(err)
	}
	b.worker = worker
	worker.Room = func() error {
		if b.full.Load() {
			return fmt.Errorf("no room: %w", store.ErrFull)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.t.Error(err)
		}
	})
}

func (b *bench) index(_ context.Context, numbers []uint64) ([]store.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, numbers...)
	if b.down != nil {
		return nil, b.down
	}
	var entries []store.Entry
	for _, n := range numbers {
		if err := b.fail[n]; err != nil {
			entries = append(entries, store.Entry{Failure: chain.Failed(n, err, 1, time.Now())})
		} else {
			entries = append(entries, store.Entry{Block: b.blocks[n]})
		}
	}
	if b.meanwhile != nil {
		b.meanwhile()
		b.meanwhile = nil
	}
	if b.most > 0 {
		entries = entries[:min(b.most, len(entries))]
	}
	return entries, nil
}

// await is away for an hour.
func (b *bench) await(ctx context.Context) error {
	var up bool
	if b.do(func() { up = b.up }); up {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Hour):
		b.do(func() { b.down = nil })
		return nil
	}
}

// row gives the row of a missing block, nil if it is not missing.
func (b *bench) row(number uint64) *store.Failed {
	b.t.Helper()
	row, err := b.store.Failed(b.t.Context(), number)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		b.t.Fatal(err)
	}
	return row
}

func (b *bench) stored(number uint64) bool {
	_, err := b.store.Block(b.t.Context(), number)
	return err == nil
}

// after lets time pass, and the worker do its work.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) gauge(name string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	b.t.Fatalf("no metric %s", name)
	return 0
}

func TestFailedBlockIsRetriedAndStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		changed := b.store.Changed()
		if got := b.gauge("gapless_missing_blocks"); got != 1 {
			t.Fatalf("missing blocks gauge is %v", got)
		}
		after(15 * time.Second)
		if asked := b.askedFor(); b.stored(4) || len(asked) != 0 {
			t.Fatalf("asked for %v before it was due", asked)
		}
		after(time.Second)
		if b.row(4) != nil || !b.stored(4) {
			t.Error("block 4 is not stored and cleared")
		}
		if got := b.gauge("gapless_missing_blocks"); got != 0 {
			t.Errorf("missing blocks gauge is %v", got)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
		rows, err := b.store.JournalAfter(t.Context(), 0, 100)
		if last := rows[len(rows)-1]; err != nil || last.Kind != "filled" || last.First != 4 {
			t.Errorf("journal ends with %+v, %v", last, err)
		}
	})
}

func TestErrorRaisesRetryCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.do(func() { b.fail[4] = &chain.Error{Class: chain.Invalid, Err: errors.New("receipts root is wrong")} })
		start := time.Now()
		after(16 * time.Second)
		row := b.row(4)
		want := &store.Failed{
			Number: 4, Class: chain.Invalid, Message: "receipts root is wrong", RetryCount: 4,
			FirstFailedAt: start, LastFailedAt: start.Add(16 * time.Second), NextRetryAt: row.NextRetryAt,
		}
		if diff := cmp.Diff(want, row); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
		wait := row.NextRetryAt.Sub(row.LastFailedAt)
		if wait < 28800*time.Millisecond || wait > 35200*time.Millisecond {
			t.Errorf("next retry after %s, want 32 s and a tenth", wait)
		}
		b.askedFor()
		after(wait - time.Millisecond)
		if len(b.askedFor()) != 0 {
			t.Error("asked for inside its backoff window")
		}
		after(time.Millisecond)
		if len(b.askedFor()) != 1 {
			t.Error("not asked for when due")
		}
	})
}

func TestEarlierFailureWakesTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4, 9)
		b.do(func() { b.blocks, b.fail[4], b.fail[9] = blocksOf(t, 10), errNode, errNode })
		after(20 * time.Second) // both have failed again and wait for about 32 s
		b.askedFor()
		f := failure(10, 1, time.Second)
		if err := b.store.Commit(t.Context(), []store.Entry{{Failure: f}}); err != nil {
			t.Fatal(err)
		}
		b.worker.Schedule(f)
		after(time.Second)
		if diff := cmp.Diff([]uint64{10}, b.askedFor()); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

func TestNewestFirstAmongThoseDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, 5, 8)
		after(16 * time.Second)
		if diff := cmp.Diff([]uint64{8, 5, 2}, b.askedFor()); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

func TestQueueAfterRestartEqualsQueueBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, 3, 7)
		if err := b.store.Skip(t.Context(), 3, "not wanted"); err != nil {
			t.Fatal(err)
		}
		if err := b.worker.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.do(func() { b.fail[7], b.fail[1] = errNode, errNode })
		after(17 * time.Second)
		before := b.worker.Missing()
		again, err := gapfill.New(t.Context(), b.store, backoff, b.index, b.await, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, again.Missing()); diff != "" {
			t.Errorf("queue (-before +after):\n%s", diff)
		}
		if before.Count != 3 || before.Skipped != 1 {
			t.Errorf("missing %+v", before)
		}
	})
}

func TestEndpointAwayIsNoTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.do(func() { b.down = &chain.Error{Class: chain.EndpointDown, Err: errors.New("connection refused")} })
		after(30 * time.Minute)
		if row := b.row(4); row == nil || row.RetryCount != 3 {
			t.Errorf("row %+v, want it as it was", row)
		}
		after(31 * time.Minute)
		if b.row(4) != nil {
			t.Error("not stored after the endpoint came back")
		}
	})
}

func TestFillOfARewoundHeightChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 6)
		b.do(func() {
			b.meanwhile = func() { // between fetch and fill
				if err := b.store.Rewind(context.WithoutCancel(t.Context()), store.Reorg{Ancestor: 5}, nil); err != nil {
					t.Error(err)
				}
			}
		})
		after(16 * time.Second)
		if b.stored(6) || b.row(6) != nil {
			t.Error("block 6 was stored or is missing after it was rewound")
		}
		if got := b.worker.Missing(); got.Count != 0 {
			t.Errorf("missing %+v", got)
		}
	})
}

// What is below a start block that has moved is not missing any more, whether it
// was waiting or under way.
func TestPruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, 3, 7)
		b.do(func() {
			b.fail[7] = errNode
			b.meanwhile = func() { // between fetch and fill
				if _, err := b.store.Prune(context.WithoutCancel(t.Context()), 4); err != nil {
					t.Error(err)
				}
				b.worker.Pruned(4)
				if got := b.worker.Missing(); got.Count != 1 {
					t.Errorf("missing %+v", got)
				}
			}
		})
		after(16 * time.Second)
		if b.stored(2) || b.stored(3) || b.row(2) != nil {
			t.Error("a block below the start was stored or is missing")
		}
		if got := b.worker.Missing(); got.Count != 1 {
			t.Errorf("missing %+v", got)
		}
	})
}

// A rewind may bring the same height back as missing: what was fetched before
// it is of the old chain all the same.
func TestFillFetchedBeforeARewindIsObsolete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 6, 7, 8)
		b.do(func() {
			b.meanwhile = func() {
				var entries []store.Entry
				for n := uint64(6); n <= 8; n++ {
					entries = append(entries, store.Entry{Failure: failure(n, 3, time.Hour)})
				}
				if err := b.store.Rewind(context.WithoutCancel(t.Context()), store.Reorg{Ancestor: 5}, entries); err != nil {
					t.Error(err)
				}
			}
		})
		after(16 * time.Second)
		for n := uint64(6); n <= 8; n++ {
			if b.stored(n) || b.row(n) == nil {
				t.Errorf("block %d of the old chain was stored", n)
			}
		}
	})
}

func TestMisfitIsAFailedTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 6)
		right := b.blocks[6]
		wrong := *right
		wrong.ParentHash[0]++
		chain.Verify(&wrong, chain.AllChecks)
		b.do(func() { b.blocks[6] = &wrong })
		after(16 * time.Second)
		if row := b.row(6); row == nil || row.Class != chain.Fork || row.RetryCount != 4 {
			t.Errorf("row %+v", row)
		}
		b.do(func() { b.blocks[6] = right })
		after(40 * time.Second)
		if !b.stored(6) {
			t.Error("not stored when the block fitted")
		}
	})
}

func TestClockThatWasSetDelaysNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.do(func() { b.blocks = blocksOf(t, 10) })
		f := failure(10, 3, 10*365*24*time.Hour)
		if err := b.store.Commit(t.Context(), []store.Entry{{Failure: f}}); err != nil {
			t.Fatal(err)
		}
		if err := b.worker.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		after(backoff.Longest())
		if !b.stored(10) {
			t.Error("a time ten years off was believed")
		}
	})
}

func TestBackoff(t *testing.T) {
	for _, tt := range []struct {
		tries int
		want  time.Duration
	}{
		{0, 2 * time.Second}, {1, 4 * time.Second}, {3, 16 * time.Second},
		{10, 2048 * time.Second}, {11, 2048 * time.Second}, {1 << 30, 2048 * time.Second},
	} {
		for range 100 {
			got := backoff.Delay(tt.tries)
			if got < tt.want*9/10 || got > tt.want*11/10 || got > backoff.Longest() {
				t.Fatalf("after %d tries %s, want %s and a tenth", tt.tries, got, tt.want)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.do(func() { b.fail[2] = errNode })
		after(16 * time.Second)
		b.do(func() { delete(b.fail, 2) })
		if got := b.gauge("gapless_oldest_gap_age_seconds"); got != 16 {
			t.Errorf("oldest gap is %v s old", got)
		}
		if got := b.gauge("gapless_next_retry_seconds"); got < 28 || got > 36 {
			t.Errorf("next retry in %v s", got)
		}
		after(40 * time.Second)
		want := map[string]float64{"recovered": 1, "failed": 1, "obsolete": 0}
		got := map[string]float64{}
		families, _ := b.registry.Gather()
		for _, f := range families {
			if f.GetName() == "gapless_block_retries_total" {
				for _, m := range f.GetMetric() {
					got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("retries (-want +got):\n%s", diff)
		}
		if problems, err := testutil.GatherAndLint(b.registry); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

func TestDiskFullIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4, 6)
		b.full.Store(true)
		b.do(func() { b.fail[4] = errNode })
		after(time.Hour)
		if b.row(6) == nil || b.row(4).RetryCount != 3 {
			t.Error("written although there was no room")
		}
		b.full.Store(false)
		after(6 * time.Second)
		if !b.stored(6) || b.row(4).RetryCount < 4 {
			t.Error("not gone on when there was room")
		}
	})
}

// A large block comes alone: what index leaves out is asked for at once.
func TestIndexMayGiveLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, 4, 6)
		b.do(func() { b.most = 1 })
		after(16 * time.Second)
		for _, n := range []uint64{2, 4, 6} {
			if !b.stored(n) {
				t.Errorf("block %d is not stored", n)
			}
		}
		if diff := cmp.Diff([]uint64{6, 4, 2, 4, 2, 2}, b.askedFor()); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

// What was made due before its time stays so when it is left out, and when the
// chain was rewound above it meanwhile.
func TestDueBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, 4, 6)
		b.do(func() {
			b.most = 1
			b.meanwhile = func() {
				if err := b.store.Rewind(t.Context(), store.Reorg{Ancestor: 8}, nil); err != nil {
					t.Error(err)
				}
			}
		})
		b.worker.RetryAll()
		after(time.Second)
		for _, n := range []uint64{2, 4, 6} {
			if !b.stored(n) {
				t.Errorf("block %d is not stored", n)
			}
		}
	})
}

// A node that wants to be left alone for a while is.
func TestToldToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4)
		b.do(func() {
			b.down = &chain.Error{Class: chain.RateLimited, Err: errors.New("too many requests"), After: 5 * time.Minute}
			b.up = true
		})
		after(5 * time.Minute)
		if asked := b.askedFor(); len(asked) != 1 {
			t.Errorf("asked %d times", len(asked))
		}
		b.do(func() { b.down = nil })
		after(time.Minute)
		if !b.stored(4) {
			t.Error("not stored afterwards")
		}
	})
}
