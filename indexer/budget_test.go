package indexer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// failed gives the missing blocks, and why they are.
func (b *bench) failed() map[uint64]string {
	b.t.Helper()
	rows, err := b.store.FailedFrom(context.WithoutCancel(b.t.Context()), 0, 100)
	b.must(err)
	failed := make(map[uint64]string)
	for _, r := range rows {
		failed[r.Number] = string(r.Class)
	}
	return failed
}

// When the calls of the day are used up, while catching up or at the head, no
// block is missing for that: all waits for the next day, and then goes on.
func TestDailyCallsUsedUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		daily int
		start time.Duration // of a day
		head  uint64        // where the chain is then
		idle  bool          // the chain stands still, and somebody else uses up what there is
	}{
		{"at the start", 1000, 24*time.Hour - 10*time.Minute, 40, false},
		{"while catching up", 1000, 23 * time.Hour, 40, false},
		{"at the head", 1000, 22 * time.Hour, 10, false},
		{"longer than a node may be silent", 20_000, 24*time.Hour - 10*time.Minute, 10, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(tt.start)
				c := devchain.Build(spec(100))
				b := newBench(t, c)
				b.url, b.daily = away, tt.daily
				b.fake.Do(func(n *nodetest.Node) {
					n.NoWebSocket, n.Head = true, tt.head
					n.Faults[3] = &nodetest.Fault{Kind: nodetest.RPCError}
				})
				recovered := 0
				b.recovered = func() { recovered++ }
				b.start()
				after(time.Second)
				for budget, _ := b.node.Budget(); tt.idle && !budget.UsedUp(); budget, _ = b.node.Budget() {
					_, err := b.node.Head(t.Context())
					b.must(err)
				}
				for midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24*time.Hour - time.Millisecond); time.Now().Before(midnight); {
					after(min(time.Minute, time.Until(midnight)))
					if !tt.idle {
						b.fake.Do(func(n *nodetest.Node) { n.Head = min(n.Head+1, 100) })
					}
					b.runs()
					for number, class := range b.failed() {
						if number != 3 || class != "block_error" {
							t.Fatalf("block %d is missing: %s", number, class)
						}
					}
				}
				granted := int(time.Duration(tt.daily)*(24*time.Hour-tt.start)/(24*time.Hour)) + 1
				if used := calls(b.fake); used > granted || used < granted*8/10 {
					t.Errorf("%d calls of %d", used, granted)
				}
				b.fake.Do(func(n *nodetest.Node) { n.Faults, n.Head = map[uint64]*nodetest.Fault{}, 100 })
				after(12 * time.Hour)
				b.runs()
				b.equals(c)
				if state := b.indexer.Status().State; strings.HasPrefix(state, "waiting") || recovered > 0 {
					t.Errorf("%d outages, state %q", recovered, state)
				}
				if budget, _ := b.node.Budget(); budget.Used+budget.Left != tt.daily || budget.Used > tt.daily*6/10 {
					t.Errorf("budget of the next day %+v", budget)
				}
				if diff := cmp.Diff(map[uint64]string{}, b.failed()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// A first sync does not wait for the day's end where the day has the calls.
func TestFirstSyncWithinDailyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(14 * time.Hour)
		slow := spec(616)
		slow.Period = 600
		c := devchain.Build(slow)
		b := newBench(t, c)
		b.url, b.daily = away, 5000
		b.start()
		after(time.Minute) // 50 calls a second are made elsewhere
		b.runs()
		b.equals(c)
	})
}

// calls gives how many calls a fake has had.
func calls(fake *nodetest.Node) (all int) {
	fake.Do(func(n *nodetest.Node) {
		for _, count := range n.Methods {
			all += count
		}
	})
	return all
}
