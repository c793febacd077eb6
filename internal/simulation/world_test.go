package simulation

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// future is how many blocks are built above the head, at least. A node does
// not have them yet.
const future = 30

// A world is the chain, and the nodes that serve it.
type world struct {
	rng     *rand.Rand
	builder *builder
	links   []*link // of the chain now, beyond its head
	head    uint64
	served  *recorded.Chain
	nodes   []*nodetest.Node
	lag     []uint64          // of each node behind the head
	faults  []*nodetest.Fault // all that were ever set
	other   bool              // another chain id is served
	began   time.Time

	mu     sync.Mutex           // guards what follows
	known  map[common.Hash]bool // blocks that any chain has had
	events []string
	counts map[string]int
}

func newWorld(seed uint64, nodes, blocks int) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{rng: rng, builder: newBuilder(rng), known: map[common.Hash]bool{}, began: time.Now(), counts: map[string]int{}}
	w.head = uint64(blocks)
	w.build(0)
	for range nodes {
		w.nodes = append(w.nodes, nodetest.New(w.served))
		w.lag = append(w.lag, 0)
	}
	w.show()
	return w
}

// build makes new blocks from a number on, up to a while beyond the head.
func (w *world) build(from uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links = append([]*link(nil), w.links[:min(int(from), len(w.links))]...)
	for uint64(len(w.links)) <= w.head+future {
		var parent *link
		if len(w.links) > 0 {
			parent = w.links[len(w.links)-1]
		}
		l := w.builder.child(parent)
		w.links = append(w.links, l)
		w.known[l.raw.Hash] = true
	}
	w.served = &recorded.Chain{ChainID: chainID, Client: "Geth/v1.17.10-simulation"}
	for _, l := range w.links {
		w.served.Blocks = append(w.served.Blocks, l.raw)
	}
}

// show lets the nodes serve the chain as it is now.
func (w *world) show() {
	for i, n := range w.nodes {
		n.Do(func(n *nodetest.Node) {
			n.Chain = w.served
			if w.other {
				c := *w.served
				c.ChainID++
				n.Chain = &c
			}
			n.Head = w.head - min(w.lag[i], w.head)
		})
	}
}

// RoundTrip gives a request to the node that has its port.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var port int
	if _, err := fmt.Sscanf(r.URL.Port(), "%d", &port); err == nil && port%10 == 5 && (port-8545)/10 < len(w.nodes) {
		return w.nodes[(port-8545)/10].RoundTrip(r)
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// note keeps an event for the person who reads a failure.
func (w *world) note(kind, format string, args ...any) {
	w.count(kind)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf("%9.3fs  %s: %s", time.Since(w.began).Seconds(), kind, fmt.Sprintf(format, args...)))
}

func (w *world) count(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[kind]++
}

// has reports whether any chain has had a block.
func (w *world) has(hash common.Hash) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known[hash]
}

func (w *world) grow(blocks int) {
	w.head += uint64(blocks)
	if uint64(len(w.links)) <= w.head {
		w.build(uint64(len(w.links)))
	}
	w.show()
}

// fork replaces the blocks from a number on; head is where the chain ends then.
func (w *world) fork(from, head uint64) {
	w.head = head
	w.build(from)
	w.show()
}

var faultNames = map[nodetest.Kind]string{
	nodetest.RPCError: "RPC error", nodetest.NullBlock: "null block", nodetest.NullReceipts: "null receipts",
	nodetest.EmptyReceipts: "empty receipts", nodetest.WrongRoot: "wrong root", nodetest.WrongHash: "wrong hash",
	nodetest.RaceReceipts: "race", nodetest.NoAnswer: "no answer", nodetest.TruncatedBody: "truncated body",
	nodetest.Hang: "hang", nodetest.HTML: "HTML", nodetest.Status: "HTTP status", nodetest.Reset: "reset connection",
}

var blockKinds = []nodetest.Kind{
	nodetest.RPCError, nodetest.RPCError, nodetest.NullBlock, nodetest.NullReceipts, nodetest.EmptyReceipts, nodetest.WrongRoot,
	nodetest.WrongHash, nodetest.RaceReceipts, nodetest.NoAnswer, nodetest.TruncatedBody, nodetest.Hang, nodetest.HTML,
	nodetest.Status, nodetest.Reset,
}

var everyKinds = []nodetest.Kind{nodetest.TruncatedBody, nodetest.Hang, nodetest.HTML, nodetest.Status, nodetest.Status, nodetest.Reset}

// spec makes a fault of a kind, which is over after some uses.
func (w *world) spec(kind nodetest.Kind, most int) *nodetest.Fault {
	f := &nodetest.Fault{Kind: kind, Times: 1 + w.rng.IntN(most)}
	switch kind {
	case nodetest.RPCError:
		f.Code = []int{-32000, -32603, 4444, -32005, -32003, -32002, -32601}[w.rng.IntN(7)]
	case nodetest.Status:
		f.Code = []int{429, 429, 500, 502, 503, 413, 401, 404}[w.rng.IntN(8)]
		if f.Code == 429 && w.rng.IntN(2) == 0 {
			f.RetryAfter = fmt.Sprint(1 + w.rng.IntN(90))
		}
	}
	w.faults = append(w.faults, f)
	return f
}

func describeFault(f *nodetest.Fault) string {
	text := faultNames[f.Kind]
	if f.Code != 0 {
		text += fmt.Sprintf(" %d", f.Code)
	}
	if f.RetryAfter != "" {
		text += " retry after " + f.RetryAfter
	}
	return fmt.Sprintf("%s, %d times", text, f.Times)
}

// spoilBlocks lets one node fail about some blocks near the head or anywhere.
func (w *world) spoilBlocks() {
	i := w.rng.IntN(len(w.nodes))
	kind := blockKinds[w.rng.IntN(len(blockKinds))]
	var said []string
	first := w.rng.Uint64N(w.head + 8)
	if w.rng.IntN(2) == 0 && w.head > 6 {
		first = w.head - 6 + w.rng.Uint64N(12)
	}
	w.nodes[i].Do(func(n *nodetest.Node) {
		for number := first; number < first+1+w.rng.Uint64N(5); number++ {
			f := w.spec(kind, 12)
			n.Faults[number] = f
			said = append(said, fmt.Sprintf("%d (%s)", number, describeFault(f)))
		}
	})
	w.note("blocks spoiled", "node %d: %s", i, strings.Join(said, ", "))
}

// spoilAll lets one node fail with everything for a few answers.
func (w *world) spoilAll() {
	i := w.rng.IntN(len(w.nodes))
	f := w.spec(everyKinds[w.rng.IntN(len(everyKinds))], 6)
	w.nodes[i].Do(func(n *nodetest.Node) { n.Every = f })
	w.note("answers spoiled", "node %d: %s", i, describeFault(f))
}

// cut ends all connections: the fake node keeps one whose dialling was given up.
func (w *world) cut() {
	for _, n := range w.nodes {
		n.Do(func(n *nodetest.Node) { n.Down = true })
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.other = false
	for i, n := range w.nodes {
		w.lag[i] = 0
		n.Do(func(n *nodetest.Node) {
			n.Down, n.Every, n.Silent = false, nil, false
			clear(n.Faults)
		})
	}
	w.show()
}
