package node_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gapless/internal/node"
)

// A sleeper is the network of a machine that sleeps for an hour during some of
// its requests. When it wakes, their deadlines have passed.
type sleeper struct {
	network http.RoundTripper
	asleep  atomic.Int64 // requests
}

func (s *sleeper) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.network.RoundTrip(r)
	if s.asleep.Add(-1) >= 0 {
		time.Sleep(time.Hour)
		return nil, r.Context().Err()
	}
	return answer, err
}

// A deadline that passed while the machine slept is no block's failure, and says
// nothing about the size of requests.
func TestDeadlineWhileAsleep(t *testing.T) {
	for _, most := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			fake := chainOf(8)
			fake.MaxBatch = most
			network := &sleeper{network: fake}
			n := open(t, node.Options{URLs: []string{"http://127.0.0.1:8545"}, Transport: network})
			results, err := n.Blocks(t.Context(), numbers(0, 3), 0)
			verified(t, results, err, 4)
			before := n.State()[0]
			network.asleep.Store(1)
			results, err = n.Blocks(t.Context(), numbers(4, 7), 0)
			verified(t, results, err, 4)
			if after := n.State()[0]; after.Batch != before.Batch || !after.Up {
				t.Errorf("endpoint %+v, before %+v", after, before)
			}
		})
	}
}
