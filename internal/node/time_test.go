package node_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// inMemory gives a client of fake that can be used inside a bubble.
func inMemory(t *testing.T, fake *nodetest.Node, url string) *node.Node {
	return open(t, node.Options{URLs: []string{url}, Transport: fake})
}

const (
	near = "http://127.0.0.1:8545"
	far  = "http://node.example.com"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := chainOf(3)
		fake.Do(func(n *nodetest.Node) { n.Down = true })
		n := inMemory(t, fake, far)
		back := time.Now().Add(10 * time.Minute)
		time.AfterFunc(10*time.Minute, func() { fake.Do(func(n *nodetest.Node) { n.Down = false }) })
		if err := n.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if late := time.Since(back); late < 0 || late > 30*time.Second {
			t.Errorf("%s after the node", late)
		}
		if s := n.State()[0]; !s.Up || s.Error != "" {
			t.Errorf("state %+v", s)
		}
	})
}

// A watch collects what Follow tells.
type watch struct {
	heads []uint64
	at    []time.Time
	polls int
}

// follow runs Follow in the bubble until the test ends.
func follow(t *testing.T, n *node.Node) (w *watch, stop func()) {
	w = new(watch)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- n.Follow(ctx, func(h *chain.Header) {
			w.heads, w.at = append(w.heads, h.Number), append(w.at, time.Now())
		}, func(time.Time) { w.polls++ })
	}()
	return w, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	}
}

// mine makes the fake's head rise every interval until number to.
func mine(fake *nodetest.Node, interval time.Duration, to uint64) {
	var head uint64
	for head < to {
		time.Sleep(interval)
		fake.Do(func(n *nodetest.Node) { n.Head++; head = n.Head })
	}
	synctest.Wait()
}

func TestFollow(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		set       func(*nodetest.Node)
		interval  time.Duration
		latency   time.Duration // the longest
		requests  int           // the most
	}{
		{"polling on loopback", near, func(n *nodetest.Node) { n.NoWebSocket = true }, 3 * time.Second, 250 * time.Millisecond, 1500},
		{"polling a fast chain on loopback", near, func(n *nodetest.Node) { n.NoWebSocket = true }, 300 * time.Millisecond, 250 * time.Millisecond, 800},
		{"polling", far, func(n *nodetest.Node) { n.NoWebSocket = true }, 12 * time.Second, 8 * time.Second, 350},
		{"subscribed on loopback", near, func(n *nodetest.Node) {}, 3 * time.Second, 0, 400},
		{"subscribed", far, func(n *nodetest.Node) {}, 12 * time.Second, 0, 40},
		{"subscribed by a WebSocket URL", "ws://127.0.0.1:8546", func(n *nodetest.Node) {}, time.Second, 0, 200},
		{"a silent subscription", near, func(n *nodetest.Node) { n.Silent = true }, 3 * time.Second, 5 * time.Second, 2000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 100}))
				fake.Do(func(n *nodetest.Node) { n.Head = 0; tt.set(n) })
				n := inMemory(t, fake, tt.url)
				w, stop := follow(t, n)
				defer stop()
				time.Sleep(time.Minute)
				start := time.Now()
				mine(fake, tt.interval, 100)
				time.Sleep(tt.latency)
				synctest.Wait()
				if len(w.heads) != 101 {
					t.Fatalf("%d heads: %v", len(w.heads), w.heads)
				}
				for i, at := range w.at[1:] {
					if late := at.Sub(start.Add(tt.interval * time.Duration(i+1))); late > tt.latency {
						t.Errorf("head %d came %s late", i+1, late)
					}
				}
				fake.Do(func(n *nodetest.Node) {
					if n.Posts > tt.requests {
						t.Errorf("%d requests", n.Posts)
					}
				})
				if w.polls < 10 {
					t.Errorf("%d successful polls", w.polls)
				}
			})
		})
	}
}

func TestFollowAReorgAndARevert(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 20}))
			fake.Do(func(n *nodetest.Node) { n.Head = 10; n.NoWebSocket = silent })
			w, stop := follow(t, inMemory(t, fake, near))
			defer stop()
			time.Sleep(10 * time.Second)
			fake.Do(func(n *nodetest.Node) {
				n.Chain = devchain.Build(devchain.Spec{Blocks: 20, Fork: 8, Salt: "b"})
			})
			time.Sleep(13 * time.Second)
			fake.Do(func(n *nodetest.Node) { n.Silent, n.Head = true, 5 })
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			if len(w.heads) < 3 || w.heads[0] != 10 || w.heads[len(w.heads)-2] != 10 || w.heads[len(w.heads)-1] != 5 {
				t.Errorf("heads %v", w.heads)
			}
		})
	}
}

func TestFollowOverAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 20}))
		fake.Do(func(n *nodetest.Node) { n.Head = 1 })
		w, stop := follow(t, inMemory(t, fake, near))
		defer stop()
		time.Sleep(10 * time.Second)
		fake.Do(func(n *nodetest.Node) { n.Down = true })
		synctest.Wait()
		polls := w.polls
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if w.polls != polls {
			t.Errorf("%d polls while the node was down", w.polls-polls)
		}
		fake.Do(func(n *nodetest.Node) { n.Down = false; n.Head = 2 })
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if w.heads[len(w.heads)-1] != 2 {
			t.Errorf("heads %v", w.heads)
		}
		time.Sleep(15 * time.Second) // subscribed again
		fake.Do(func(n *nodetest.Node) { n.Head = 3 })
		synctest.Wait()
		if w.heads[len(w.heads)-1] != 3 {
			t.Errorf("heads %v", w.heads)
		}
	})
}
