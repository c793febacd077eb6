package node

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/pause"

	"golang.org/x/time/rate"
)

func TestLimiterRecovers(t *testing.T) {
	l := newLimiter(50)
	now := time.Now()
	l.slower(now, 0)
	l.slower(now.Add(time.Millisecond), 0) // refused together
	if got := l.bucket.Limit(); got != 25 {
		t.Fatalf("rate %v, want 25", got)
	}
	for range 100 {
		now = now.Add(recoverEvery)
		l.recover(now)
	}
	if got := l.bucket.Limit(); got != 50 {
		t.Errorf("rate %v, want 50", got)
	}
}

// A load is what clients do for a time that share a limiter and a respite. Each
// has a request of ten calls under way, which takes a while.
type load struct {
	limit *limiter
	admit func() bool // whether the node answers a request

	mu                sync.Mutex // guards the counts, of requests
	answered, refused int
}

const callsInOne = 10

func (o *load) run(t *testing.T, clients int, roundTrip, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var p respite
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for p.wait(ctx) == nil && o.limit.wait(ctx, callsInOne) == nil && pause.For(ctx, roundTrip) == nil {
				o.request(&p)
			}
		})
	}
	all.Wait()
}

func (o *load) request(p *respite) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.admit() {
		o.answered++
		p.reset()
		return
	}
	o.refused++
	p.lengthen(0, time.Now())
	o.limit.slower(time.Now(), p.left())
}

// With a node that has a limit, most of it is used, and few requests are refused.
func TestLimiterFindsTheLimit(t *testing.T) {
	for _, most := range []rate.Limit{100, 300, 1000} {
		synctest.Test(t, func(t *testing.T) {
			bucket := rate.NewLimiter(most, int(most))
			o := load{limit: newLimiter(rate.Inf), admit: func() bool { return bucket.AllowN(time.Now(), callsInOne) }}
			const d = 5 * time.Minute
			o.run(t, 8, 20*time.Millisecond, d)
			reached := float64(o.answered*callsInOne) / d.Seconds() / float64(most)
			refused := float64(o.refused) / float64(o.answered+o.refused)
			t.Logf("limit %v: %.0f %% of it, %.1f %% of requests refused", most, 100*reached, 100*refused)
			if reached < 0.7 || refused > 0.1 {
				t.Errorf("limit %v: reached %.2f of it, %.2f of the requests were refused", most, reached, refused)
			}
		})
	}
}

// Refusals that have nothing to do with the rate do not bring it down for good.
func TestLimiterIgnoresChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 1))
		o := load{limit: newLimiter(rate.Inf), admit: func() bool { return random.IntN(100) > 0 }}
		const d = 5 * time.Minute
		o.run(t, 8, 20*time.Millisecond, d)
		reached := float64(o.answered*callsInOne) / d.Seconds()
		t.Logf("%.0f calls a second", reached)
		if reached < 2*defaultRate {
			t.Errorf("%.0f calls a second", reached)
		}
	})
}
