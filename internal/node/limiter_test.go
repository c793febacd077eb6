package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"gapless/internal/pause"
)

// A load is what clients do for a time that share a limiter and a respite: each
// has a request under way, of as many calls as it may have.
type load struct {
	limiter   *limiter
	batch     int                  // calls of a request, at most
	admit     func(calls int) bool // whether the node answers a request; one at a time
	after     time.Duration        // that the node asks to wait if it does not
	roundTrip time.Duration

	mu                sync.Mutex // held by admit; guards the counts, of calls
	answered, refused int
}

func (o *load) run(t *testing.T, clients int, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var p respite
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for o.request(ctx, &p) {
			}
		})
	}
	all.Wait()
}

func (o *load) ask(calls int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.admit(calls)
}

// request reports whether there was still time for it.
func (o *load) request(ctx context.Context, p *respite) bool {
	for tries := 0; ; {
		calls := min(o.batch, o.limiter.atOnce())
		if p.wait(ctx) != nil {
			return false
		}
		switch err := o.limiter.wait(ctx, calls); {
		case err == errSmaller:
			continue
		case err != nil:
			return false
		}
		sent := time.Now()
		if pause.For(ctx, o.roundTrip/2) != nil {
			return false
		}
		answered := o.ask(calls)
		if pause.For(ctx, o.roundTrip/2) != nil {
			return false
		}
		o.count(calls, answered)
		if answered {
			p.reset()
			o.limiter.learn(sent, calls, 0, 0)
			return true
		}
		o.limiter.learn(sent, 0, calls, o.after)
		p.refused(o.after, time.Now())
		if tries++; p.left() <= 0 && pause.For(ctx, 100*time.Millisecond<<min(tries, 5)) != nil {
			return false
		}
	}
}

func (o *load) count(calls int, answered bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if answered {
		o.answered += calls
	} else {
		o.refused += calls
	}
}

// report gives the calls a second that were answered, and the share that was
// refused.
func (o *load) report(d time.Duration) (perSecond, refused float64) {
	return float64(o.answered) / d.Seconds(), float64(o.refused) / float64(o.answered+o.refused)
}

// With a node that has a limit, nearly all of it is used, and few calls are
// refused. Where the node asks to wait a second and has less to spare, some is
// lost.
func TestLimiterFindsTheLimit(t *testing.T) {
	for _, most := range []rate.Limit{20, 40, 100, 300, 1000} {
		for _, spare := range []float64{0.2, 1, 3} { // seconds' worth
			for _, after := range []time.Duration{0, time.Second} {
				for _, near := range []bool{true, false} {
					for _, roundTrip := range []time.Duration{5 * time.Millisecond, 300 * time.Millisecond} {
						if !near && most > defaultRate {
							continue
						}
						name := fmt.Sprintf("%v a second, %v to spare, after %v, near %v, %v away", most, spare*float64(most), after, near, roundTrip)
						t.Run(name, func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { findLimit(t, most, spare, after, near, roundTrip) })
						})
					}
				}
			}
		}
	}
}

func findLimit(t *testing.T, most rate.Limit, spare float64, after time.Duration, near bool, roundTrip time.Duration) {
	bucket := rate.NewLimiter(most, int(spare*float64(most)))
	o := load{
		limiter: newLimiter(mostCalls(0, near)), batch: newBatch(near), after: after, roundTrip: roundTrip,
		admit: func(calls int) bool { return bucket.AllowN(time.Now(), calls) },
	}
	const d = 5 * time.Minute
	o.run(t, 8, d)
	answered, refused := o.report(d)
	t.Logf("%.1f calls a second, %.1f %% refused", answered, 100*refused)
	want := 0.9
	if spare < after.Seconds() {
		want = 0.6
	}
	if answered < want*float64(most) || refused > 0.1 {
		t.Errorf("%.1f calls a second are answered, %.2f are refused", answered, refused)
	}
}

// Refusals that have nothing to do with the rate hardly make it lower; a tenth
// of all requests does, and it still does not crawl.
func TestLimiterIgnoresChance(t *testing.T) {
	for percent, want := range map[int]float64{1: 7000, 5: 2500, 10: 500} {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			o := load{
				limiter: newLimiter(rate.Inf), batch: 100, roundTrip: 100 * time.Millisecond,
				admit: func(int) bool { return random.IntN(100) >= percent },
			}
			const d = 5 * time.Minute
			o.run(t, 8, d)
			answered, _ := o.report(d)
			t.Logf("%d %%: %.0f calls a second of 8000", percent, answered)
			if answered < want {
				t.Errorf("%d %%: %.0f calls a second of 8000, want %.0f", percent, answered, want)
			}
		})
	}
}
