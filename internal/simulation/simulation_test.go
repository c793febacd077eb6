// Package simulation runs the whole program against nodes that fail, reorganise,
// revert and are reset, on a machine that dies, in virtual time and from a seed.
package simulation

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gapless/gapfill"
	"gapless/internal/node/nodetest"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run one seed only")
	seedsFlag = flag.Uint64("seeds", 0, "run so many seeds; 0: 20, or 5 under the race detector")
	firstFlag = flag.Uint64("first", 1, "the first seed")
	nodesFlag = flag.Int("nodes", 0, "how many nodes there are; 0: one to three, by the seed")
)

func wait() { synctest.Wait() }

// TestSimulation runs seeds, each of them until all is quiet. Then the file
// equals the chain, and no promise was ever broken. The plan of a seed is always
// the same; the program's own jitter and the scheduler make the rest.
func TestSimulation(t *testing.T) {
	first, count := *firstFlag, *seedsFlag
	switch {
	case *seedFlag != 0:
		first, count = *seedFlag, 1
	case count == 0 && underRace:
		count = 5
	case count == 0:
		count = 20
	}
	total := &table{counts: map[string]int{}}
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+count; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				folder, err := os.MkdirTemp("", "simulation")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(folder)
				synctest.Test(t, func(t *testing.T) { simulate(t, seed, folder, total) })
			})
		}
	})
	t.Logf("%d seeds\n%s", count, total)
}

// A table counts what happened in all seeds.
type table struct {
	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (a *table) add(counts map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, n := range counts {
		a.counts[name] += n
	}
}

func (a *table) String() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.counts)) {
		fmt.Fprintf(&out, "%8d  %s\n", a.counts[name], name)
	}
	return out.String()
}

// A simulation is one seed.
type simulation struct {
	*world
	program *program
	later   []timed
}

// A timed is what ends an event.
type timed struct {
	at time.Time
	do func()
}

func simulate(t *testing.T, seed uint64, folder string, total *table) {
	var log bytes.Buffer
	rng := rand.New(rand.NewPCG(seed, 2))
	nodes := *nodesFlag
	if nodes == 0 {
		nodes = 1 + rng.IntN(2)*rng.IntN(3)
	}
	w := newWorld(seed, nodes, 5+rng.IntN(60))
	s := &simulation{world: w, program: newProgram(w, folder, rng, &log)}
	s.quirks()
	s.program.run()
	length := time.Duration(40+w.rng.IntN(200)) * time.Second
	for time.Since(w.began) < length && s.program.failure() == nil {
		time.Sleep(time.Duration(w.rng.ExpFloat64()*float64(1500*time.Millisecond)) + time.Millisecond)
		s.due()
		s.event()
	}
	err := s.settle()
	s.program.stop()
	w.cut()
	if err == nil {
		err = s.program.verify()
	}
	for _, f := range w.faults {
		w.counts["fault "+faultNames[f.Kind]] += f.Used
	}
	total.add(w.counts)
	if err != nil {
		t.Errorf("seed %d: %v\n\nwhat happened (`go test ./internal/simulation -run TestSimulation -seed %d` repeats it):\n%s\n\nwhat the program said last:\n%s",
			seed, err, seed, strings.Join(w.events, "\n"), lastLines(log.String(), 60))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func newProgram(w *world, folder string, rng *rand.Rand, out *bytes.Buffer) *program {
	p := &program{
		world: w, folder: folder, loopback: rng.IntN(2) == 0,
		backoff: gapfill.Backoff{Base: []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}[rng.IntN(3)]},
	}
	host := "node.example"
	if p.loopback {
		host = "127.0.0.1"
	}
	for i := range w.nodes {
		p.urls = append(p.urls, fmt.Sprintf("http://%s:%d", host, 8545+10*i))
	}
	if rng.IntN(4) == 0 {
		p.start = uint64(1 + rng.IntN(4))
	}
	if rng.IntN(5) == 0 {
		p.options.Confirmations = uint64(1 + rng.IntN(3))
	}
	p.path = p.newPath()
	p.log = slog.New(slog.NewTextHandler(&synchronized{out: out}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.String("t", fmt.Sprintf("%.3f", a.Value.Time().Sub(w.began).Seconds()))
			}
			return a
		},
	}))
	w.note("start", "loopback %t, start block %d, confirmations %d, base %s, nodes %d, head %d",
		p.loopback, p.start, p.options.Confirmations, p.backoff.Base, len(w.nodes), w.head)
	return p
}

// A synchronized is a buffer for several writers.
type synchronized struct {
	mu  sync.Mutex // guards out
	out *bytes.Buffer
}

func (s *synchronized) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// quirks gives the nodes ways that they keep.
func (s *simulation) quirks() {
	for i, n := range s.nodes {
		n.Do(func(n *nodetest.Node) {
			n.NoWebSocket, n.Silent = s.rng.IntN(2) == 0, s.rng.IntN(4) == 0
			n.StringIDs, n.Reverse, n.RefuseByObject = s.rng.IntN(4) == 0, s.rng.IntN(4) == 0, s.rng.IntN(2) == 0
			n.MaxBatch = []int{0, 0, 0, 1, 3, 20}[s.rng.IntN(6)]
			n.NoBlockReceipts = []int{0, 0, 0, -32601, -32004}[s.rng.IntN(5)]
			s.note("quirks", "node %d: no websocket %t, silent %t, string ids %t, reverse %t, batches to %d, no block receipts %d",
				i, n.NoWebSocket, n.Silent, n.StringIDs, n.Reverse, n.MaxBatch, n.NoBlockReceipts)
			if n.MaxBatch > 0 {
				s.count("fault batch limit")
			}
			if n.NoBlockReceipts != 0 {
				s.count("fault no eth_getBlockReceipts")
			}
		})
	}
}

// due ends what is over.
func (s *simulation) due() {
	for i := 0; i < len(s.later); i++ {
		if l := s.later[i]; !time.Now().Before(l.at) {
			s.later = slices.Delete(s.later, i, i+1)
			l.do()
			i--
		}
	}
}

func (s *simulation) after(most time.Duration, do func()) time.Duration {
	d := time.Duration(s.rng.Int64N(int64(most)))
	s.later = append(s.later, timed{time.Now().Add(d), do})
	return d
}

// event lets one thing happen.
func (s *simulation) event() {
	events := []struct {
		weight int
		do     func()
	}{
		{30, s.growth}, {20, s.spoilBlocks}, {8, s.spoilAll}, {3, s.outage}, {4, s.lagging}, {6, s.reorg}, {2, s.twice}, {2, s.flip},
		{3, s.revert}, {1, s.reset}, {1, s.fromStart}, {1, s.foreign}, {4, s.die}, {2, s.diskFull}, {2, s.finalize}, {2, s.operator},
	}
	total := 0
	for _, e := range events {
		total += e.weight
	}
	at := s.rng.IntN(total)
	for _, e := range events {
		if at -= e.weight; at < 0 {
			e.do()
			return
		}
	}
}

// highest keeps the chains small.
const highest = 150

func (s *simulation) growth() {
	n := 1 + s.rng.IntN(2)
	if s.rng.IntN(5) == 0 {
		n = 5 + s.rng.IntN(25)
	}
	if s.head+uint64(n) > highest {
		return
	}
	s.grow(n)
	s.note("growth", "%d blocks, head %d", n, s.head)
}

func (s *simulation) outage() {
	i := s.rng.IntN(len(s.nodes))
	s.nodes[i].Do(func(n *nodetest.Node) { n.Down = true })
	d := s.after(40*time.Second, func() { s.nodes[i].Do(func(n *nodetest.Node) { n.Down = false }) })
	s.note("outage", "node %d for %s", i, d)
}

func (s *simulation) lagging() {
	i := s.rng.IntN(len(s.nodes))
	s.lag[i] = 1 + s.rng.Uint64N(6)
	s.show()
	d := s.after(20*time.Second, func() { s.lag[i] = 0; s.show() })
	s.note("lag", "node %d is %d behind for %s", i, s.lag[i], d)
}

// depth is mostly small.
func (s *simulation) depth() uint64 {
	d := 1 + s.rng.Uint64N(4)
	if s.rng.IntN(4) == 0 {
		d = 1 + s.rng.Uint64N(60)
	}
	if s.head < 4 {
		return 0
	}
	return min(d, s.head-2)
}

func (s *simulation) reorg() {
	d := s.depth()
	if d == 0 {
		return
	}
	from, head := s.head+1-d, s.head+s.rng.Uint64N(4)
	if s.rng.IntN(5) == 0 {
		head = from + s.rng.Uint64N(d)
	}
	s.fork(from, head)
	s.note("reorg", "from block %d, head %d", from, head)
}

func (s *simulation) twice() {
	s.reorg()
	s.pauseShortly()
	s.reorg()
}

// flip leaves a chain and comes back to it.
func (s *simulation) flip() {
	links, served, head := s.links, s.served, s.head
	s.reorg()
	d := s.pauseShortly()
	s.links, s.served, s.head = links, served, head
	s.show()
	s.note("back", "to the chain of %s ago, head %d", d, head)
}

func (s *simulation) pauseShortly() time.Duration {
	d := time.Duration(s.rng.IntN(3000)) * time.Millisecond
	if s.rng.IntN(3) == 0 {
		d /= 30
	}
	time.Sleep(d)
	return d
}

// revert takes blocks away, and perhaps goes on with others.
func (s *simulation) revert() {
	d := s.depth()
	if d == 0 {
		return
	}
	s.fork(s.head+1-d, s.head-d)
	s.note("revert", "to block %d", s.head)
	if s.rng.IntN(2) == 0 {
		s.pauseShortly()
		s.growth()
	}
}

// reset begins a new chain.
func (s *simulation) reset() {
	s.fork(0, s.rng.Uint64N(40))
	s.note("reset", "head %d", s.head)
}

// fromStart replaces all but the genesis.
func (s *simulation) fromStart() {
	s.fork(1, s.rng.Uint64N(s.head+5))
	s.note("reset to genesis", "head %d", s.head)
}

// foreign lets all nodes serve another chain id for a while.
func (s *simulation) foreign() {
	if s.other {
		return
	}
	links, served, head := s.links, s.served, s.head
	s.other = true
	s.fork(0, head)
	s.note("another chain", "head %d", s.head)
	time.Sleep(time.Duration(s.rng.IntN(20000)) * time.Millisecond)
	s.other = false
	s.links, s.served, s.head = links, served, head
	s.show()
	s.note("back", "to the chain, head %d", head)
}

func (s *simulation) die() {
	point := []string{"rest", "rest", "fetched", "room", "failed", "rewound"}[s.rng.IntN(6)]
	s.note("crash", "at %s", point)
	s.program.crash(point)
}

func (s *simulation) diskFull() {
	s.program.full.Store(true)
	d := s.after(20*time.Second, func() { s.program.full.Store(false) })
	s.note("fault disk full", "for %s", d)
}

func (s *simulation) finalize() {
	back := 3 + s.rng.Uint64N(20)
	for _, n := range s.nodes {
		n.Do(func(n *nodetest.Node) {
			n.Tags["finalized"] = n.Head - min(n.Head, 2*back)
			n.Tags["safe"] = n.Head - min(n.Head, back)
		})
	}
	s.note("finalized", "%d below the head", 2*back)
}

// operator lets somebody ask for all missing blocks.
func (s *simulation) operator() {
	s.program.mu.Lock()
	file, worker := s.program.store, s.program.worker
	s.program.mu.Unlock()
	if file == nil {
		return
	}
	ctx := context.Background()
	if _, err := file.RetryNow(ctx, 0, 1<<40); err == nil {
		_ = worker.Reload(ctx) // the file may be closed by now
	}
	s.note("retry all", "by an operator")
}

// outgrow lets the chain become longer than the file: a node that reverted while
// the program was away is for it one that lags.
func (s *simulation) outgrow() {
	s.program.mu.Lock()
	file := s.program.store
	s.program.mu.Unlock()
	if file == nil {
		return
	}
	if next, err := file.Next(context.Background()); err == nil && next > s.head {
		s.grow(int(next - s.head))
		s.note("outgrown", "head %d", s.head)
	}
}

// settle ends all faults and waits until the file is the chain.
func (s *simulation) settle() error {
	if err := s.program.failure(); err != nil {
		return err
	}
	s.heal()
	s.program.full.Store(false)
	s.later = nil
	switch least := s.program.start + s.program.options.Confirmations; {
	case s.head < least:
		s.grow(int(least - s.head))
	case s.rng.IntN(2) == 0:
		s.grow(1)
	}
	s.note("quiet", "head %d", s.head)
	var err error
	for i := range 3600 {
		if i == 300 {
			s.outgrow()
		}
		time.Sleep(time.Second)
		if err = s.program.failure(); err != nil {
			return err
		}
		if err = s.program.complete(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not complete an hour after the last fault: %w", err)
}
