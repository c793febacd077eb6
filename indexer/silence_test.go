package indexer_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// silence has the node never answer for some blocks.
func (b *bench) silence(numbers ...uint64) {
	b.fake.Do(func(n *nodetest.Node) {
		for _, number := range numbers {
			n.Faults[number] = &nodetest.Fault{Kind: nodetest.Hang}
		}
	})
}

// silent checks that some blocks are missing because nothing came for them.
func (b *bench) silent(numbers ...uint64) {
	b.t.Helper()
	failed := b.failed()
	for _, number := range numbers {
		if failed[number] != "timeout" {
			b.t.Errorf("block %d: class %q", number, failed[number])
		}
	}
}

// Blocks that are not answered for hold up no others, in whichever way they are
// asked for.
func TestSilentBlocksHoldNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent []uint64
		within time.Duration
	}{
		{"three", []uint64{70, 100, 150}, 5 * time.Second},
		{"the first", []uint64{1, 2, 3}, 9 * time.Second},
		{"twenty", numbers(10, 29), 9 * time.Second},
	} {
		for _, url := range []string{near, away} {
			t.Run(tt.name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := devchain.Build(spec(200))
					b := newBench(t, c)
					b.url = url
					within := tt.within
					if url == away {
						within += 20 * time.Second // at 50 calls a second
					}
					b.silence(tt.silent...)
					b.start()
					after(within)
					b.equals(c, tt.silent...)
					b.silent(tt.silent...)
					b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
					after(10 * time.Minute)
					b.equals(c)
				})
			})
		}
	}
}

// numbers gives the numbers from one to another.
func numbers(first, last uint64) (all []uint64) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// What is missing and silent is retried at a start: that does not hold up the
// head, nor what else is missing.
func TestSilentRetriesHoldNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(200))
		b := newBench(t, c)
		silent := numbers(50, 69)
		b.silence(silent...)
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 190
			for number := uint64(20); number < 30; number++ {
				n.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
			}
		})
		b.start()
		after(10 * time.Second)
		b.equals(devchain.Build(spec(190)), append(numbers(20, 29), silent...)...)
		b.must(ignore(b.stop()))
		time.Sleep(time.Hour) // all are due
		b.fake.Do(func(n *nodetest.Node) {
			for number := uint64(20); number < 30; number++ {
				delete(n.Faults, number)
			}
		})
		b.start()
		after(100 * time.Millisecond)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 191 })
		after(300 * time.Millisecond)
		if _, err := b.store.Block(t.Context(), 191); err != nil {
			t.Errorf("a new block: %v", err)
		}
		after(3 * time.Second)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 200 })
		after(300 * time.Millisecond)
		b.equals(c, silent...)
	})
}

// A new block that is not answered for holds up the next one for a moment only.
func TestSilentHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(60))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 30 })
		b.start()
		after(5 * time.Second)
		b.silence(31, 35, 36)
		for head := uint64(31); head <= 40; head++ {
			b.fake.Do(func(n *nodetest.Node) { n.Head = head })
			after(time.Second)
			stored, err := b.store.Highest(t.Context(), head)
			b.must(err)
			if stored.Number+4 < head {
				t.Errorf("at block %d when the head is %d", stored.Number, head)
			}
		}
		after(3 * time.Second)
		b.equals(devchain.Build(spec(40)), 31, 35, 36)
		b.silent(31, 35, 36)
	})
}

// What a node calls final is asked for aside.
func TestSilentFinality(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(60))
		b := newBench(t, c)
		b.fake.Do(func(n *nodetest.Node) { n.Head, n.Tags = 1, map[string]uint64{"finalized": 0} })
		b.transport = mute{b.fake, `"finalized"`}
		b.start()
		after(3 * time.Second)
		for head := uint64(2); head <= 30; head++ {
			b.fake.Do(func(n *nodetest.Node) { n.Head = head })
			after(300 * time.Millisecond)
			if _, err := b.store.Block(t.Context(), head); err != nil {
				t.Fatalf("block %d: %v", head, err)
			}
		}
	})
}

// A mute transport never answers what has a text in it.
type mute struct {
	http.RoundTripper
	text string
}

func (m mute) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return m.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(body), m.text) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return m.RoundTripper.RoundTrip(r)
}

// A header of the new chain that is not answered for does not hold up a reorg.
func TestSilentHeaderInReorg(t *testing.T) {
	for _, silent := range []uint64{26, 28, 30} {
		synctest.Test(t, func(t *testing.T) {
			old := devchain.Build(spec(30))
			b := newBench(t, old)
			b.start()
			after(5 * time.Second)
			c := devchain.Build(forked(32, 26))
			b.silence(silent)
			b.fake.Do(func(n *nodetest.Node) { n.Chain, n.Head = c, 32 })
			after(9 * time.Second)
			stored, err := b.store.Highest(context.WithoutCancel(t.Context()), 40)
			b.must(err)
			if stored.Number != 32 || stored.Hash != c.Block(32).Hash {
				t.Errorf("silent %d: at block %d %s", silent, stored.Number, stored.Hash)
			}
			b.fake.Do(func(n *nodetest.Node) { clear(n.Faults) })
			after(10 * time.Minute)
			b.equals(c)
		})
	}
}
