package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// A world is the chain, and the nodes that serve it.
type world struct {
	rng     *rand.Rand // of the present event
	builder *builder
	client  string // of all nodes
	began   time.Time
	length  time.Duration // of the time in which things happen
	counts  *counts

	links  []*link // of the chain now, up to its head
	head   uint64
	served *recorded.Chain
	nodes  []*nodetest.Node
	lag    []uint64          // of each node behind the head
	lies   []*recorded.Chain // what a node serves instead
	delays []atomic.Int64    // of each node's answers
	faults []*nodetest.Fault // all that were ever set

	mu     sync.Mutex                // guards what follows
	known  map[common.Hash]time.Time // blocks that any node has had, and until when one had it as its head
	truth  *recorded.Chain           // the chain, whatever nodes say
	sworn  *recorded.Block           // what all nodes call finalized, and do not have
	unsure time.Time                 // when a node last lied of its chain, or swore
	events []string
}

func newWorld(rng *rand.Rand, nodes, blocks int) *world {
	w := &world{
		builder: newBuilder(rng), client: clients[rng.IntN(len(clients))], began: time.Now(), counts: newCounts(), known: map[common.Hash]time.Time{},
		lag: make([]uint64, nodes), lies: make([]*recorded.Chain, nodes), delays: make([]atomic.Int64, nodes),
	}
	for i := range w.delays {
		w.delays[i].Store(int64([]time.Duration{0, 0, time.Millisecond, 10 * time.Millisecond, 120 * time.Millisecond}[rng.IntN(5)]))
	}
	w.build(0, uint64(blocks))
	for range nodes {
		w.nodes = append(w.nodes, nodetest.New(w.served))
	}
	w.show()
	return w
}

// clients are what the nodes of a seed say that they are: one that takes blocks
// back on purpose, or one that is behind when its chain is shorter.
var clients = []string{"anvil/v1.7.1-simulation", "Geth/v1.17.10-simulation"}

// takesBack reports whether a shorter chain is one that the nodes took back.
func (w *world) takesBack() bool { return node.IsDevnet(w.client) }

// branch makes new blocks from a number up to a head, on those of the chain now.
func (w *world) branch(from, head uint64) ([]*link, *recorded.Chain) {
	links := slices.Clone(w.links[:min(int(from), len(w.links))])
	for uint64(len(links)) <= head {
		var parent *link
		if len(links) > 0 {
			parent = links[len(links)-1]
		}
		links = append(links, w.builder.child(parent))
	}
	links = links[:head+1]
	served := &recorded.Chain{ChainID: chainID, Client: w.client}
	for _, l := range links {
		served.Blocks = append(served.Blocks, l.raw)
	}
	return links, served
}

// build replaces the blocks from a number on; head is where the chain ends then.
func (w *world) build(from, head uint64) {
	w.links, w.served = w.branch(from, head)
	w.head = head
}

// show lets the nodes serve the chain as it is now, or what they say it is.
func (w *world) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.truth = w.served
	for _, n := range w.nodes {
		n.Do(func(n *nodetest.Node) { w.known[n.Chain.Block(n.Head).Hash] = time.Now() })
	}
	for i, n := range w.nodes {
		c, head := w.served, w.head-min(w.lag[i], w.head)
		if w.lies[i] != nil {
			c, head = w.lies[i], w.lies[i].Last()
			w.unsure = time.Now()
		}
		for number := range c.Blocks {
			if hash := c.Blocks[number].Hash; w.known[hash].IsZero() {
				w.known[hash] = time.Time{}
			}
		}
		w.known[c.Block(head).Hash] = forever
		n.Do(func(n *nodetest.Node) { n.Chain, n.Head = c, head })
	}
}

var forever = time.Unix(1<<40, 0)

// headUntil says until when a block was a node's head. It reports whether any
// node has had the block.
func (w *world) headUntil(hash common.Hash) (until time.Time, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	until, known = w.known[hash]
	return until, known
}

// RoundTrip gives a request to the node that has its port. The answer, which is
// of the time of the request, takes its time.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var port int
	if _, err := fmt.Sscanf(r.URL.Port(), "%d", &port); err != nil || port%10 != 5 || (port-8545)/10 >= len(w.nodes) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	i := (port - 8545) / 10
	answer, err := w.nodes[i].RoundTrip(r)
	if d := w.delay(i); err == nil && d > 0 && r.Header.Get("Upgrade") == "" {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
			_, _ = io.Copy(io.Discard, answer.Body) // in memory
			return nil, r.Context().Err()
		}
	}
	return answer, err
}

func (w *world) delay(i int) time.Duration { return time.Duration(w.delays[i].Load()) }

// note keeps an event for the person who reads a failure.
func (w *world) note(kind, format string, args ...any) {
	w.counts.add(kind)
	w.mu.Lock()
	defer w.mu.Unlock()
	event := fmt.Sprintf("%9.3fs  %s: %s", time.Since(w.began).Seconds(), kind, fmt.Sprintf(format, args...))
	w.events = append(w.events, event)
	if *traceFlag {
		fmt.Fprintln(os.Stderr, event)
	}
}

func (w *world) grow(blocks int) {
	w.fork(w.head+1, w.head+uint64(blocks))
}

// fork replaces the blocks from a number on; head is where the chain ends then.
func (w *world) fork(from, head uint64) {
	w.build(from, head)
	w.show()
}

func (w *world) setDown(down bool) {
	for _, n := range w.nodes {
		n.Do(func(n *nodetest.Node) { n.Down = down })
	}
}

// swear lets all nodes call a block finalized that their chain may be without;
// nil ends it.
func (w *world) swear(b *recorded.Block) {
	w.mu.Lock()
	w.sworn, w.unsure = b, time.Now()
	w.mu.Unlock()
	for _, n := range w.nodes {
		n.Do(func(n *nodetest.Node) {
			clear(n.Sworn)
			if b != nil {
				n.Sworn["finalized"] = b
			}
		})
	}
}

func (w *world) swornTo() *recorded.Block {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sworn
}

// honest reports whether no node has lied or sworn for some time.
func (w *world) honest() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsure.IsZero() || time.Since(w.unsure) > 5*time.Minute
}

// lie lets a node serve another chain than the others; nil ends it.
func (w *world) lie(i int, c *recorded.Chain) {
	w.mu.Lock()
	w.lies[i], w.unsure = c, time.Now()
	w.mu.Unlock()
	w.show()
}

// chain gives the chain as it is now.
func (w *world) chain() *recorded.Chain {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.truth
}

// heal ends all faults.
func (w *world) heal() {
	clear(w.lag)
	w.mu.Lock()
	clear(w.lies)
	w.mu.Unlock()
	w.swear(nil)
	for i, n := range w.nodes {
		w.delays[i].Store(0)
		n.Do(func(n *nodetest.Node) {
			n.Down, n.Every, n.Silent = false, nil, false
			clear(n.Faults)
		})
	}
	w.show()
}
