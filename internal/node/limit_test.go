package node_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
)

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name, after string
		code        int
		want        time.Duration
	}{
		{"seconds", "7", 429, 7 * time.Second},
		{"date", "Sat, 01 Jan 2000 00:00:09 GMT", 429, 9 * time.Second},
		{"none", "", 429, 200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := chainOf(3)
				fake.Do(func(n *nodetest.Node) {
					n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: tt.code, RetryAfter: tt.after, Times: 1}
				})
				n := inMemory(t, fake, far)
				start := time.Now()
				results, err := n.Blocks(t.Context(), numbers(0, 3), 0)
				verified(t, results, err, 4)
				if took := time.Since(start); took < tt.want*4/5 || took > tt.want+2*time.Second {
					t.Errorf("took %s, want %s", took, tt.want)
				}
				if s := n.State()[0]; s.Rate != 50 {
					t.Errorf("rate %v after a single refusal", s.Rate)
				}
			})
		})
	}
}

func TestLimitExceededIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		fake.Do(func(n *nodetest.Node) {
			n.Faults[2] = &nodetest.Fault{Kind: nodetest.RPCError, Code: -32005, Times: 3}
		})
		results, err := inMemory(t, fake, near).Blocks(t.Context(), numbers(0, 3), 0)
		verified(t, results, err, 4)
		if asked := fake.AskedFor()[1]; asked != 1 {
			t.Errorf("block 1 was asked for %d times", asked)
		}
	})
}

func TestRateLimitedPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		fake.Do(func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "20"}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := inMemory(t, fake, near).Blocks(ctx, numbers(0, 3), 0)
		e, ok := errors.AsType[*chain.Error](err)
		if !ok || e.Class != chain.RateLimited || e.After < 19*time.Second || time.Since(start) > time.Second {
			t.Errorf("after %s: %#v", time.Since(start), err)
		}
	})
}

func TestRateOffLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inMemory(t, chainOf(200), far)
		start := time.Now()
		results, err := n.Blocks(t.Context(), numbers(1, 200), 0)
		verified(t, results, err, 200)
		// 400 calls and 40 uncles, 50 at once and then 50 a second
		if took := time.Since(start); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestServiceUnavailableIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		set(fake, func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 503, RetryAfter: "11", Times: 1}
		})
		n := inMemory(t, fake, far)
		start := time.Now()
		results, err := n.Blocks(t.Context(), numbers(1, 3), 0)
		verified(t, results, err, 3)
		if took := time.Since(start); took < 11*time.Second || took > 13*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// A pause that is too long to wait for is the caller's, and Await keeps it.
func TestAwaitKeepsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		set(fake, func(n *nodetest.Node) {
			n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429, RetryAfter: "600", Times: 1}
		})
		n := inMemory(t, fake, far)
		start := time.Now()
		if _, err := n.Blocks(t.Context(), numbers(1, 3), 0); chain.ClassOf(err) != chain.RateLimited {
			t.Fatal(err)
		}
		if s := n.State()[0]; s.PausedUntil.Sub(start).Round(time.Second) != 10*time.Minute {
			t.Errorf("state %+v", s)
		}
		if err := n.Await(t.Context()); err != nil || time.Since(start) < 10*time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		set(fake, func(n *nodetest.Node) {
			if n.Posts > 4 { // one, a probe, and who it is, twice
				t.Errorf("%d requests", n.Posts)
			}
		})
	})
}

// A node that refuses everything for a while, for whatever reason, has the rate
// lowered as far as it goes; once it answers again, it takes seconds until there
// is as much as ever.
func TestRateRecovers(t *testing.T) {
	for _, url := range []string{near, far} {
		synctest.Test(t, func(t *testing.T) {
			fake := chainOf(2000)
			n := inMemory(t, fake, url)
			begin := n.State()[0].Rate
			set(fake, func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: 429} })
			time.AfterFunc(time.Minute, func() { set(fake, func(n *nodetest.Node) { n.Every = nil }) })
			ended := make(chan bool)
			go func() { fetchAll(t, n, 2000, 8); close(ended) }()
			time.Sleep(time.Minute)
			low := n.State()[0].Rate
			time.Sleep(time.Minute)
			high := n.State()[0].Rate
			if low > 11 || high != begin {
				t.Errorf("%s: rates %v, %v, %v", url, begin, low, high)
			}
			<-ended
		})
	}
}

// One refusal among many answers is no reason to wait, or to go slower.
func TestStrayRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(1000)
		for number := uint64(50); number < 1000; number += 100 {
			fake.Do(func(n *nodetest.Node) {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.Status, Code: 429, Times: 1}
			})
		}
		n := inMemory(t, fake, near)
		took := fetchAll(t, n, 1000, 8)
		if s := n.State()[0]; took > 2*time.Second || s.Rate != 0 || !s.PausedUntil.IsZero() || s.Batch != 100 {
			t.Errorf("took %v, state %+v", took, s)
		}
	})
}

// A body that is cut, or a proxy's error, is no refusal: what it was an answer to
// is asked for again, as much at once as before.
func TestStumblesAreNoLimit(t *testing.T) {
	for _, fault := range []nodetest.Fault{{Kind: nodetest.TruncatedBody}, {Kind: nodetest.Status, Code: 502}, {Kind: nodetest.Reset}} {
		synctest.Test(t, func(t *testing.T) {
			fake := chainOf(1000)
			for number := uint64(50); number < 1000; number += 100 {
				once := fault
				once.Times = 1
				fake.Do(func(n *nodetest.Node) { n.Faults[number] = &once })
			}
			n := inMemory(t, fake, near)
			took := fetchAll(t, n, 1000, 8)
			if s := n.State()[0]; took > 0 || s.Rate != 0 || !s.Up || s.Batch != 100 {
				t.Errorf("%v: took %v, state %+v", fault.Kind, took, s)
			}
		})
	}
}
