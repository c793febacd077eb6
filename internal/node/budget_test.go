package node_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// budgeted gives a client of fake that may make so many calls a day.
func budgeted(t *testing.T, fake *nodetest.Node, daily int) *node.Node {
	return open(t, node.Options{URLs: []string{far}, Transport: fake, DailyCalls: daily})
}

// calls gives how many calls a fake has had, subscriptions too.
func calls(fake *nodetest.Node) (all int) {
	set(fake, func(n *nodetest.Node) {
		for _, count := range n.Methods {
			all += count
		}
	})
	return all
}

// catchUp asks for blocks from a number on, without end, until ctx ends.
func catchUp(ctx context.Context, t *testing.T, n *node.Node, from uint64) {
	const atOnce = 20
	for ; ctx.Err() == nil; from += atOnce {
		results, err := n.Blocks(ctx, numbers(from, from+atOnce-1), 0)
		if ctx.Err() == nil {
			verified(t, results, err, atOnce)
		}
	}
}

// Over days, no more calls are made than each UTC day has, and nearly as many
// where there is no end of blocks to fill in. Meanwhile the head is followed, and
// its blocks come at once.
func TestDailyCalls(t *testing.T) {
	const daily, interval, blocks = 2000, 30 * time.Minute, 3200
	for _, socket := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(18 * time.Hour)
			fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: blocks, Transactions: 1}))
			fake.Do(func(n *nodetest.Node) { n.NoWebSocket, n.Head = !socket, blocks-150 })
			n := budgeted(t, fake, daily)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- n.Follow(ctx, atTheHead(ctx, t, n, fake), func(time.Time) {}) }()
			go func() { catchUp(ctx, t, n, 1); ended <- nil }()
			before := 0 // calls up to a moment before the day
			for day, granted := range []int{daily / 4, daily, daily} {
				for until := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour); time.Until(until) > interval; {
					time.Sleep(interval)
					fake.Do(func(n *nodetest.Node) { n.Head++ })
				}
				time.Sleep(interval - time.Millisecond)
				used := calls(fake) - before
				if used > granted || used < granted*9/10 {
					t.Errorf("socket %t: %d calls on day %d, which has %d", socket, used, day+1, granted)
				}
				if b, ok := n.Budget(); !ok || b.Used != used || b.Used+b.Left != granted || b.Daily != daily {
					t.Errorf("day %d: %+v", day+1, b)
				}
				before += used
				time.Sleep(time.Millisecond)
			}
			cancel()
			<-ended
			<-ended
		})
	}
}

// atTheHead fetches each new head, which must come at once and soon after it was made.
func atTheHead(ctx context.Context, t *testing.T, n *node.Node, fake *nodetest.Node) func(*chain.Header) {
	last := uint64(0)
	return func(h *chain.Header) {
		if last > 0 && h.Number != last+1 {
			t.Errorf("head %d after %d", h.Number, last)
		}
		last = h.Number
		began := time.Now()
		results, err := n.Blocks(ctx, []uint64{h.Number}, 0)
		verified(t, results, err, 1)
		if took := time.Since(began); took > time.Second {
			t.Errorf("block %d took %s", h.Number, took)
		}
	}
}

// When the calls are used up, all wait for the next day, and then go on. Who
// can't wait is told.
func TestDailyCallsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24*time.Hour - 10*time.Minute) // of 1000 calls, 7 are left
		fake := chainOf(300)
		fake.Do(func(n *nodetest.Node) { n.NoWebSocket = true })
		n := budgeted(t, fake, 1000)
		soon, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := n.Head(soon); err != nil {
			t.Fatal(err)
		}
		w, stop := follow(t, n)
		defer stop()
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		for b, _ := n.Budget(); !b.UsedUp(); b, _ = n.Budget() {
			_, err := n.Head(soon)
			if err != nil && chain.ClassOf(err) != chain.RateLimited || !b.ResetsAt.Equal(midnight) {
				t.Fatalf("%+v, %v", b, err)
			}
		}
		_, err := n.Tag(soon, "finalized")
		if e, ok := errors.AsType[*chain.Error](err); !ok || e.Class != chain.RateLimited || e.After < time.Minute {
			t.Errorf("with a deadline: %v", err)
		}
		if _, err := n.Call(t.Context(), "eth_gasPrice", nil); chain.ClassOf(err) != chain.RateLimited {
			t.Errorf("for others: %v", err)
		}
		if s := n.State()[0]; !s.Up || !s.PausedUntil.IsZero() {
			t.Errorf("state %+v", s)
		}
		before := calls(fake)
		results, err := n.Blocks(t.Context(), numbers(296, 298), 0)
		verified(t, results, err, 3)
		if time.Now().Before(midnight) || time.Since(midnight) > time.Second || before > 8 {
			t.Errorf("blocks came at %s, after %d calls", time.Now(), before)
		}
		set(fake, func(n *nodetest.Node) { n.Head = 299 })
		time.Sleep(n.PollEvery() + time.Second)
		synctest.Wait()
		if len(w.heads) == 0 || w.heads[len(w.heads)-1] != 299 {
			t.Errorf("heads %v", w.heads)
		}
	})
}

// Polls, of several endpoints too, take a tenth of the calls of a day.
func TestPollsTakeATenth(t *testing.T) {
	for _, urls := range [][]string{{"http://one.example"}, {"http://one.example", "http://two.example", "http://three.example"}} {
		synctest.Test(t, func(t *testing.T) {
			fake := chainOf(20)
			fake.Do(func(n *nodetest.Node) { n.NoWebSocket = true })
			n := open(t, node.Options{URLs: urls, Transport: fake, DailyCalls: 10_000})
			_, stop := follow(t, n)
			defer stop()
			time.Sleep(24*time.Hour - time.Second)
			if used := calls(fake); used > 1000+3*len(urls)+4 || used < 500 {
				t.Errorf("%d calls with %d endpoints", used, len(urls))
			}
		})
	}
}

// What the head does not need until the end of the day may be used at once: so a
// first sync takes seconds where the day has the calls. What the head needs is
// there until midnight, and a new day keeps it too.
func TestSpareCalls(t *testing.T) {
	const daily = 5000
	for _, tt := range []struct {
		name   string
		period time.Duration // between blocks
		start  time.Duration // of a day
		blocks [2]int        // at once, at the start and on the next day
		needed int           // calls a day
	}{
		{"a slow chain", 10 * time.Minute, 14 * time.Hour, [2]int{775, 1875}, 500 + 2*144},
		{"a chain that needs most calls", time.Minute, 0, [2]int{385, 385}, 500 + 2*1440},
		{"a chain that needs more", 12 * time.Second, 14 * time.Hour, [2]int{520, 0}, 500 + 2*7200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(tt.start)
				fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 4600, Transactions: 1, Period: uint64(tt.period.Seconds())}))
				fake.Do(func(n *nodetest.Node) { n.Head = 3000 })
				log := new(bytes.Buffer)
				n := open(t, node.Options{URLs: []string{far}, Transport: fake, DailyCalls: daily, Logger: slog.New(slog.NewTextHandler(log, nil))})
				_, err := n.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { _ = n.Follow(ctx, atTheHead(ctx, t, n, fake), func(time.Time) {}) })
				synctest.Wait()
				running.Go(func() { catchUp(ctx, t, n, 1) })

				before := calls(fake)
				atOnce := func(want int) {
					t.Helper()
					time.Sleep(2 * time.Minute)
					if got := (calls(fake) - before) / 2; got < want-25 || got > want+25 {
						t.Errorf("%d blocks at once, want %d", got, want)
					}
				}
				atOnce(tt.blocks[0])
				b, _ := n.Budget()
				if b.Needed < tt.needed*9/10 || b.Needed > tt.needed*11/10 || b.Outgrown() != (tt.needed > daily) || b.PacedSince.IsZero() {
					t.Errorf("%+v", b)
				}
				if warned := strings.Count(log.String(), "grows faster"); warned > 1 || warned == 1 != b.Outgrown() {
					t.Errorf("warned %d times:\n%s", warned, log)
				}
				for !b.Outgrown() && time.Now().Before(b.ResetsAt) {
					before = calls(fake)
					time.Sleep(min(tt.period, time.Until(b.ResetsAt)))
					fake.Do(func(n *nodetest.Node) { n.Head++ })
				}
				if !b.Outgrown() {
					atOnce(tt.blocks[1])
				}
				cancel()
				running.Wait()
			})
		})
	}
}
