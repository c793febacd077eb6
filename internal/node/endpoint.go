package node

import (
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
)

// An endpoint is one URL, and what was learnt about what answers there.
type endpoint struct {
	label    string // host#1: all that may be shown of the URL
	url      *url.URL
	loopback bool
	header   http.Header
	client   *http.Client
	sockets  *idle[*websocket.Conn] // nil unless calls go over a WebSocket
	pipes    *idle[*pipe]           // nil unless they go over a Unix socket
	timeout  time.Duration
	secrets  *redactor
	limit    *limiter
	respite  respite
	silence  silence
	budget   *budget            // all endpoints have the same; nil: none
	answers  *bytebudget.Budget // what answers that are read have; all endpoints have the same
	metrics  *metrics
	logger   *slog.Logger

	identifying chan struct{} // holds one while somebody asks for the identity
	elsewhere   func() bool   // whether another endpoint is free to be asked

	mu            sync.Mutex // guards what follows
	state         EndpointState
	gone          bool      // it is asked no more
	known         bool      // it was up or down before
	failures      int       // in a row
	lastError     error     // of the last failure
	retryAt       time.Time // while down: when other calls try it again
	identified    bool      // since the last outage, and on our chain
	otherGenesis  bool      // it is down because of its genesis, not its chain id
	foreign       bool      // it is down because of its chain
	devnet        bool      // it said that it is a development node
	steady        int       // looks since it was last down or limited
	heads         [2]uint64 // at the last two looks
	behind        bool      // other endpoints, by looks
	headAt        time.Time // when state.Head was told
	given         uint64    // lowest block it gave
	prunedOne     *uint64   // a block that it said is pruned, of late
	prunedOneAt   time.Time // when it did
	nulls         []uint64  // blocks below given that were null, the first few
	prunedAt      time.Time // when state.Lowest was told
	disputed      bool      // it has given another block than the leader
	wrongUntil    time.Time // it does not lead until then, because of a wrong block
	relapses      int       // times that it gave a wrong block after that
	batch         int       // calls in a request, at least 1
	mostBatch     int       // what batch grows back to
	good          int       // requests answered since batch changed
	byTransaction bool      // receipts are asked for one by one
}

// An EndpointState is what `status` shows of an endpoint.
type EndpointState struct {
	Label     string    `json:"endpoint"`
	Up        bool      `json:"up"`
	Since     time.Time `json:"since"` // of the last change of Up
	Error     string    `json:"error,omitempty"`
	Class     string    `json:"class,omitempty"` // of Error
	Batch     int       `json:"batch"`           // calls in a request
	Receipts  string    `json:"receipts"`        // method
	WebSocket bool      `json:"websocket"`       // subscribed to new heads
	Rate      float64   `json:"rate,omitempty"`  // calls a second; 0: no limit

	Leads       bool      `json:"leads"`                 // heads and headers come from there
	Head        uint64    `json:"head,omitempty"`        // highest block it told of; 0: not known
	Behind      bool      `json:"behind,omitempty"`      // more than two blocks below another endpoint
	Lowest      uint64    `json:"lowest,omitempty"`      // what is below is pruned there; 0: nothing is known to be
	PausedUntil time.Time `json:"paused_until,omitzero"` // as it asked for
	DisputedAt  uint64    `json:"disputed_at,omitempty"` // height at which it has another block than the leader
	Awaited     *Awaited  `json:"awaited,omitempty"`     // the answer that is silent for the longest; nil: none
}

// Calls in a request to begin with. Past 50 blocks nothing is won.
const (
	batchOnLoopback  = 100
	batchOffLoopback = 40
)

func newBatch(loopback bool) int {
	if loopback {
		return batchOnLoopback
	}
	return batchOffLoopback
}

// answered notes that the endpoint answered.
func (e *endpoint) answered() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.foreign || e.gone {
		return // up to the next identity
	}
	e.failures = 0
	e.state.Error, e.state.Class = "", ""
	e.metrics.refuses.WithLabelValues(e.label).Set(0)
	if e.state.Up {
		return
	}
	if e.known {
		e.logger.Info("endpoint up", "endpoint", e.label)
	}
	e.turn(true)
}

// failed notes an error for which the endpoint is to blame.
func (e *endpoint) failed(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return
	}
	e.failures++
	e.lastError = err
	e.identified, e.foreign, e.steady = false, false, 0
	e.retryAt = time.Now().Add(e.retryDelay(chain.ClassOf(err)))
	e.state.Error, e.state.Class = err.Error(), string(chain.ClassOf(err))
	e.metrics.refuses.WithLabelValues(e.label).Set(number(chain.ClassOf(err) == chain.EndpointRefuses))
	if e.state.Up || !e.known {
		e.logger.Warn("endpoint down", "endpoint", e.label, "err", err)
		e.turn(false)
	}
}

// retryDelay is how long an endpoint that has failed is left alone while there
// are others; e.mu is held.
func (e *endpoint) retryDelay(class chain.Class) time.Duration {
	switch {
	case e.loopback:
		return time.Second
	case class == chain.EndpointRefuses:
		return time.Minute
	}
	return min(time.Second<<min(e.failures-1, 5), 30*time.Second)
}

// turn changes the state; e.mu is held.
func (e *endpoint) turn(up bool) {
	e.known = true
	e.state.Up, e.state.Since = up, time.Now()
	e.metrics.up.WithLabelValues(e.label).Set(number(up))
}

func (e *endpoint) isUp() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Up
}

// number is a fact as metrics have it.
func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// chunk gives how many of so many calls go into the next request: a multiple
// of group, if a request holds one.
func (e *endpoint) chunk(calls, group int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := min(calls, e.batch, e.limit.atOnce(), e.budget.atOnce())
	if n > group {
		n -= n % group
	}
	return n
}

// shrink makes requests smaller, after one of n calls was too large. With
// forGood they never grow beyond that again.
func (e *endpoint) shrink(n int, forGood bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	smaller := max(1, n/2)
	if smaller >= e.batch {
		return // another request has found out before
	}
	e.batch, e.good = smaller, 0
	if forGood {
		e.mostBatch = smaller
	}
	e.logger.Debug("batch made smaller", "endpoint", e.label, "calls", smaller)
}

// grow lets requests become larger again after a series of good ones.
func (e *endpoint) grow() {
	const series = 10
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.good++; e.good >= series && e.batch < e.mostBatch {
		e.batch, e.good = min(2*e.batch, e.mostBatch), 0
	}
}

// receiptsByTransaction reports whether eth_getBlockReceipts is known to be
// unknown there.
func (e *endpoint) receiptsByTransaction() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byTransaction
}

func (e *endpoint) useTransactionReceipts() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.byTransaction {
		e.byTransaction = true
		e.logger.Info("receipts are asked for one by one", "endpoint", e.label)
	}
}

func (e *endpoint) subscribed(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state.WebSocket = yes
}

func (e *endpoint) snapshot() EndpointState {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state
	if !time.Now().Before(e.prunedAt.Add(prunedFor)) {
		s.Lowest = 0
	}
	s.Behind, s.Awaited = e.behind, e.silence.awaited(time.Now())
	if left := e.respite.left(); left > 0 {
		s.PausedUntil = time.Now().Add(left)
	}
	e.limit.recover(time.Now())
	s.Label, s.Batch, s.Receipts = e.label, e.batch, "eth_getBlockReceipts"
	if e.byTransaction {
		s.Receipts = "eth_getTransactionReceipt"
	}
	if limit := e.limit.bucket.Limit(); limit != rate.Inf {
		s.Rate = float64(limit)
	}
	return s
}
