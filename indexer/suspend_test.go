package indexer_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

// A sleeper is the network of a machine that can be put to sleep: whatever is
// asked then, or was under way, comes through when it is woken, and its deadlines
// have passed.
type sleeper struct {
	node  http.RoundTripper
	until atomic.Pointer[time.Time]
}

func (s *sleeper) RoundTrip(r *http.Request) (*http.Response, error) {
	s.sleep()
	answer, err := s.node.RoundTrip(r)
	s.sleep()
	if r.Context().Err() != nil {
		return nil, r.Context().Err() // what the deadline does to a request when the machine wakes
	}
	return answer, err
}

func (s *sleeper) sleep() {
	if until := s.until.Load(); until != nil {
		time.Sleep(time.Until(*until))
	}
}

// A machine that slept for an hour with requests under way goes on within
// seconds, and no block is blamed: neither one that was being fetched, nor one
// whose retry was under way.
func TestMachineSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devchain.Build(spec(400))
		b := newBench(t, c)
		network := &sleeper{node: b.fake}
		b.transport = network
		b.recovered = func() { b.worker.RetryAll() }
		b.fake.Do(func(n *nodetest.Node) {
			n.Head = 30
			n.Faults[7] = &nodetest.Fault{Kind: nodetest.RPCError, Times: 3}
		})
		b.start()
		after(5 * time.Second)
		tries := func() int {
			row, err := b.store.Failed(t.Context(), 7)
			b.must(err)
			return row.RetryCount
		}
		before := tries()
		woken := time.Now().Add(time.Hour)
		network.until.Store(&woken)
		b.fake.Do(func(n *nodetest.Node) { n.Head = 400 })
		b.worker.RetryAll() // a retry is under way too
		after(time.Hour - time.Second)
		if now := tries(); now != before || b.worker.Missing().Count != 1 {
			t.Errorf("while it sleeps %d blocks are missing, one of which was tried %d times", b.worker.Missing().Count, now-before)
		}
		after(20 * time.Second)
		b.runs()
		b.equals(c)
		for _, row := range b.journal() {
			if strings.HasPrefix(row, "failed") && row != "failed 7-7" {
				t.Errorf("the journal has %q", row)
			}
		}
	})
}
