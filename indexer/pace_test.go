package indexer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A paced node answers after a latency, then works on so many requests at once
// for a time that each block takes.
type pacedNode struct {
	latency, perBlock time.Duration
	workers           int // 0: any number
}

func (n pacedNode) answer(busy chan struct{}, blocks int, noise *rand.Rand) {
	time.Sleep(n.latency)
	if n.workers > 0 {
		busy <- struct{}{}
		defer func() { <-busy }()
	}
	work := time.Duration(blocks) * n.perBlock
	time.Sleep(work*9/10 + time.Duration(noise.Int64N(int64(work)/5+1)))
}

// pull asks a node for blocks by the pace for a time, and gives how many came a
// second over the last quarter of it.
func pull(t *testing.T, p *pace, n pacedNode, d time.Duration) float64 {
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var mu sync.Mutex
	late, noise := 0, rand.New(rand.NewPCG(1, 2))
	busy := make(chan struct{}, n.workers)
	began := time.Now()
	var fetching sync.WaitGroup
	p.resume()
	for {
		blocks, err := p.begin(ctx)
		if err != nil {
			break
		}
		mu.Lock()
		own := rand.New(rand.NewPCG(noise.Uint64(), 0))
		mu.Unlock()
		fetching.Go(func() {
			began := time.Now()
			n.answer(busy, blocks, own)
			p.answered(blocks, int64(blocks)*2000, time.Since(began))
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() == nil && deadlineIn(ctx) < d/4 {
				late += blocks
			}
		})
	}
	fetching.Wait()
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) || time.Since(began) < d {
		t.Fatal("it has ended before its time")
	}
	return float64(late) / (d / 4).Seconds()
}

func deadlineIn(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return time.Until(end)
}

func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name              string
		node              pacedNode
		fewest, most      int     // requests that it may come to
		shortest, longest int     // blocks of one
		atLeast           float64 // blocks a second
	}{
		{"far away and strong", pacedNode{latency: 300 * time.Millisecond, perBlock: 10 * time.Microsecond}, 20, mostRequests, firstBlocks, mostBlocks, 3500},
		{"near, with two processors", pacedNode{latency: time.Millisecond, perBlock: 2 * time.Millisecond, workers: 2}, 2, 12, firstBlocks, mostBlocks, 900},
		{"near and quick", pacedNode{latency: time.Millisecond, perBlock: 50 * time.Microsecond, workers: 2}, 2, mostRequests, mostBlocks, mostBlocks, 36_000},
		{"slow", pacedNode{latency: time.Millisecond, perBlock: 100 * time.Millisecond, workers: 4}, 2, 12, leastBlocks, 20, 36},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace()
				got := pull(t, p, tt.node, 2*time.Minute)
				t.Logf("%d requests of %d blocks: %.0f blocks/s", p.requests, p.blocks, got)
				if p.requests < tt.fewest || p.requests > tt.most {
					t.Errorf("%d requests, want %d to %d", p.requests, tt.fewest, tt.most)
				}
				if p.blocks < tt.shortest || p.blocks > tt.longest {
					t.Errorf("%d blocks each, want %d to %d", p.blocks, tt.shortest, tt.longest)
				}
				if got < tt.atLeast {
					t.Errorf("%.0f blocks a second, want %.0f", got, tt.atLeast)
				}
				if p.underWay != 0 {
					t.Errorf("%d requests are under way", p.underWay)
				}
			})
		})
	}
}

// Requests that fail together count once, and what was found before is found
// again.
func TestPaceAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		far := pacedNode{latency: 300 * time.Millisecond, perBlock: 10 * time.Microsecond}
		pull(t, p, far, time.Minute)
		before := p.requests
		for range 5 {
			if _, err := p.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			p.failed()
		}
		if p.requests != before/2 {
			t.Errorf("%d requests after a failure with %d", p.requests, before)
		}
		if pull(t, p, far, 2*time.Minute); p.requests < before*3/4 {
			t.Errorf("%d requests when all is well again, %d before", p.requests, before)
		}
	})
}
