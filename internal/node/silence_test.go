package node_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// A slow transport passes on each answer after a time, and its body in parts.
type slow struct {
	http.RoundTripper
	after time.Duration
	part  int           // bytes that come at once; 0: all
	every time.Duration // between parts
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.RoundTripper.RoundTrip(r)
	select {
	case <-time.After(s.after):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	if err == nil && s.part > 0 {
		answer.Body = &slowBody{r.Context(), answer.Body, s}
	}
	return answer, err
}

type slowBody struct {
	ctx context.Context
	io.ReadCloser
	slow *slow
}

func (b *slowBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.slow.every):
	case <-b.ctx.Done():
		return 0, context.Cause(b.ctx)
	}
	return b.ReadCloser.Read(p[:min(len(p), b.slow.part)])
}

// known makes a client that has asked the node for its chain, as every start
// does.
func known(t *testing.T, transport http.RoundTripper, urls ...string) *node.Node {
	t.Helper()
	n := open(t, node.Options{URLs: urls, Transport: transport})
	if _, err := n.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// Blocks that are not answered for fail soon, and hold no other.
func TestSilentBlocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent []uint64
		kind   nodetest.Kind
		within time.Duration
	}{
		{"one", []uint64{33}, nodetest.Hang, 4 * time.Second},
		{"the first", []uint64{1}, nodetest.Hang, 4 * time.Second},
		{"twenty", numbers(11, 30), nodetest.Hang, 10 * time.Second},
		{"all", numbers(1, 50), nodetest.Hang, 25 * time.Second}, // the first requests are small
		{"a byte every tenth of a second", []uint64{33}, nodetest.SlowDrip, 4 * time.Second},
	} {
		for _, url := range []string{near, far, "ws://127.0.0.1:8546"} {
			t.Run(tt.name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fake := chainOf(50)
					n := known(t, fake, url)
					set(fake, func(n *nodetest.Node) {
						for _, number := range tt.silent {
							n.Faults[number] = fault(tt.kind)
						}
					})
					start := time.Now()
					results, err := n.Blocks(t.Context(), numbers(1, 50), 0)
					if took := time.Since(start); err != nil || took > tt.within {
						t.Fatalf("took %s: %v", took, err)
					}
					silent := map[uint64]bool{}
					for _, number := range tt.silent {
						silent[number] = true
					}
					for _, r := range results {
						if silent[r.Number] && chain.ClassOf(r.Err) != chain.Timeout || !silent[r.Number] && r.Err != nil {
							t.Errorf("block %d: class %s: %v", r.Number, chain.ClassOf(r.Err), r.Err)
						}
					}
					if s := n.State()[0]; !s.Up || s.Error != "" {
						t.Errorf("state %+v", s)
					}
				})
			})
		}
	}
}

// Headers that are not answered for hold no others.
func TestSilentHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(50)
		n := known(t, fake, near)
		set(fake, func(n *nodetest.Node) { n.Faults[33] = fault(nodetest.Hang) })
		start := time.Now()
		headers, err := n.Headers(t.Context(), numbers(1, 50))
		if took := time.Since(start); took > 3*time.Second || chain.ClassOf(err) != chain.Timeout {
			t.Errorf("took %s: %v", took, err)
		}
		for i, h := range headers {
			if (h == nil) != (i == 32) {
				t.Errorf("header %d: %v", i+1, h)
			}
		}
	})
}

// A node that takes its time for every answer is not silent.
func TestSlowNode(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		part  int
		every time.Duration
	}{
		{"three seconds for every answer", 3 * time.Second, 0, 0},
		{"an answer that comes slowly", 0, 3000, time.Second / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := &slow{chainOf(12), tt.after, tt.part, tt.every}
				n := known(t, slow, near)
				for range 5 {
					results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
					verified(t, results, err, 12)
				}
			})
		})
	}
}

// A block that takes longer than others is given all the time that there is when
// it is asked for again.
func TestSlowBlockIsHadInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slow{RoundTripper: chainOf(12)}
		n := known(t, late{slow, "eth_getBlockReceipts"}, near)
		slow.after = 6 * time.Second
		results, err := n.Blocks(t.Context(), numbers(5, 6), 0)
		if err != nil || chain.ClassOf(results[0].Err) != chain.Timeout {
			t.Fatal(results, err)
		}
		results, err = n.Blocks(t.Context(), numbers(5, 6), 0)
		verified(t, results, err, 2)
	})
}

// A block that may be large is asked for once, and then fails without making
// requests smaller.
func TestSilentLargeBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(12)
		n := known(t, fake, near)
		set(fake, func(n *nodetest.Node) { n.Faults[5] = fault(nodetest.Hang) })
		var beside sync.WaitGroup
		beside.Go(func() {
			for range 20 {
				time.Sleep(time.Second)
				if _, err := n.Head(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		before, start := n.State()[0].Batch, time.Now()
		results, err := n.Blocks(t.Context(), []uint64{5}, 0)
		if took := time.Since(start); err != nil || chain.ClassOf(results[0].Err) != chain.Timeout || took > 11*time.Second {
			t.Errorf("took %s: %v, %v", took, results, err)
		}
		if whole(fake, 5) != 1 || n.State()[0].Batch != before {
			t.Errorf("asked for %d times, state %+v", whole(fake, 5), n.State()[0])
		}
		beside.Wait()
	})
}

// A late transport passes on by a slow one what has a method in it.
type late struct {
	slow   *slow
	method string
}

func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if strings.Contains(string(body), l.method) {
		return l.slow.RoundTrip(r)
	}
	return l.slow.RoundTripper.RoundTrip(r)
}

// An endpoint that answers nothing is down, and no block is silent.
func TestSilentEndpointIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(12)
		n := known(t, fake, near)
		set(fake, func(n *nodetest.Node) { n.Every = fault(nodetest.Hang) })
		start := time.Now()
		results, err := n.Blocks(t.Context(), numbers(1, 12), 0)
		if took := time.Since(start); results != nil || chain.ClassOf(err) != chain.EndpointDown || took > 12*time.Second {
			t.Errorf("took %s: %d results, %v", took, len(results), err)
		}
		if s := n.State()[0]; s.Up {
			t.Errorf("state %+v", s)
		}
	})
}

// What one endpoint does not answer is asked of another one beside it.
func TestSilentEndpointHoldsNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*nodetest.Node)
	}{
		{"for one block", func(n *nodetest.Node) { n.Faults[7] = fault(nodetest.Hang) }},
		{"for all", func(n *nodetest.Node) { n.Every = fault(nodetest.Hang) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				verified(t, p.blocks(t, 1, 20), nil, 20)
				set(p.a, tt.set)
				start := time.Now()
				verified(t, p.blocks(t, 1, 20), nil, 20)
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// What is waited for is shown, and logged once.
func TestAwaitedIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, log := chainOf(12), new(log)
		slow := &slow{RoundTripper: fake, after: time.Second}
		n := open(t, node.Options{URLs: []string{near}, Transport: slow, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if _, err := n.Identity(t.Context()); err != nil {
			t.Fatal(err)
		}
		set(fake, func(n *nodetest.Node) { n.Faults[7] = fault(nodetest.Hang) })
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			results, err := n.Blocks(t.Context(), numbers(6, 8), 0)
			if err != nil || chain.ClassOf(results[1].Err) != chain.Timeout {
				t.Error(results, err)
			}
		}()
		time.Sleep(4200 * time.Millisecond)
		synctest.Wait()
		a := n.State()[0].Awaited
		if a == nil || a.For != "block 7" || a.Since.Sub(start) > time.Second {
			t.Errorf("awaited %+v", a)
		}
		<-done
		if a := n.State()[0].Awaited; a != nil {
			t.Errorf("awaited afterwards: %+v", a)
		}
		if n := strings.Count(log.String(), "no answer yet"); n != 1 || !strings.Contains(log.String(), `for="block 6 and 2 more"`) {
			t.Errorf("%d lines of\n%s", n, log)
		}
	})
}

// A block that fails in another way makes requests small, and what is answered to
// others at the same time makes them grow again, in the middle of a block: no
// other block fails with a silent one then.
func TestSilentBlockInUnevenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(60)
		transport := &slow{RoundTripper: fake, after: time.Millisecond}
		n := known(t, transport, near)
		set(fake, func(n *nodetest.Node) {
			n.Faults[11], n.Faults[14], n.Faults[41] = fault(nodetest.TruncatedBody), fault(nodetest.Hang), fault(nodetest.Hang)
		})
		var clients sync.WaitGroup
		for client := range uint64(6) {
			clients.Go(func() {
				for round := range uint64(8) {
					results, err := n.Blocks(t.Context(), numbers(1+client+round, 50+client), 0)
					if err != nil {
						t.Error(err)
					}
					for _, r := range results {
						if (r.Err != nil) != (r.Number == 11 || r.Number == 14 || r.Number == 41) {
							t.Errorf("block %d: %v", r.Number, r.Err)
						}
					}
				}
			})
		}
		clients.Wait()
	})
}
