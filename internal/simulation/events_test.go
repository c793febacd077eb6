package simulation

import (
	"context"
	"slices"
	"time"

	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
)

// event lets one thing happen.
func (s *simulation) event() {
	events := []struct {
		weight int
		do     func()
	}{
		{30, s.growth}, {24, s.spoilBlocks}, {10, s.spoilAll}, {3, s.outage}, {3, s.slow}, {4, s.lagging},
		{6, s.reorg}, {2, s.twice}, {2, s.flip}, {3, s.revert}, {5, s.fallBack}, {1, s.reset}, {1, s.fromStart}, {3, s.lying},
		{4, s.die}, {2, s.diskFull}, {2, s.smallDisk}, {2, s.finalize}, {1, s.contradict}, {2, s.operator}, {1, s.skip}, {2, s.prune}, {6, s.undermine}, {3, s.displace},
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
const highest = 120

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
	set := func(down bool) { s.nodes[i].Do(func(n *nodetest.Node) { n.Down = down }) }
	if s.rng.IntN(3) == 0 {
		i, set = -1, s.setDown
	}
	set(true)
	d := s.after(40*time.Second, func() { set(false) })
	s.note("outage", "node %d (-1: all) for %s", i, d)
}

// slow lets a node take its time, so that what it says is of some time ago.
func (s *simulation) slow() {
	i := s.rng.IntN(len(s.nodes))
	before, delay := s.delays[i].Load(), 100*time.Millisecond<<s.rng.IntN(7)
	s.delays[i].Store(int64(delay))
	d := s.after(20*time.Second, func() { s.delays[i].Store(before) })
	s.note("slow", "node %d answers after %s for %s", i, delay, d)
}

func (s *simulation) lagging() {
	i := s.rng.IntN(len(s.nodes))
	s.lag[i] = 1 + s.rng.Uint64N(6)
	s.show()
	d := s.after(20*time.Second, func() { s.lag[i] = 0; s.show() })
	s.note("lag", "node %d is %d behind for %s", i, s.lag[i], d)
}

// depth is mostly small. It is 0 if the chain is too short.
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
	back := s.keep()
	s.reorg()
	d := s.pauseShortly()
	back()
	s.note("back", "to the chain of %s ago, head %d", d, s.head)
}

// keep gives a function that comes back to the chain as it is now.
func (s *simulation) keep() (back func()) {
	links, served, head := s.links, s.served, s.head
	return func() {
		s.links, s.served, s.head = links, served, head
		s.show()
	}
}

func (s *simulation) pauseShortly() time.Duration {
	d := time.Duration(s.rng.IntN(3000)) * time.Millisecond
	if s.rng.IntN(3) == 0 {
		d /= 30
	}
	s.wait(d)
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

// fallBack lets all nodes lose their last blocks, or all, and get them back, as
// those that sync again. What the file has of them stays, whatever happens to the
// program meanwhile, unless the nodes take blocks back on purpose.
func (s *simulation) fallBack() {
	links, top, to, most := s.links, s.head, s.rng.Uint64N(s.head+1), 8*time.Second
	serve := func(head uint64) { s.links = links; s.fork(head+1, head) }
	restart, half := s.rng.IntN(3) == 0, s.rng.IntN(2) == 0
	if s.rng.IntN(4) == 0 {
		to = 0
	}
	if s.rng.IntN(4) == 0 {
		most = 100 * time.Second
	}
	span := time.Duration(s.rng.Int64N(int64(most)))
	before := s.program.stores(links)
	serve(to)
	s.wait(span / 2)
	if restart {
		s.program.crash("rest", 0)
	}
	if half {
		serve(to + (top-to)/2)
	}
	s.wait(span / 2)
	if !s.takesBack() && s.honest() && s.swornTo() == nil {
		s.program.fail(s.program.keeps(before))
	}
	serve(top)
	s.note("fall back", "from block %d to %d for %s, restart: %t, in two steps: %t", top, to, span, restart, half)
}

// reset begins a new chain, as a node that was wiped.
func (s *simulation) reset() {
	s.fork(0, s.rng.Uint64N(40))
	s.note("reset", "head %d", s.head)
}

// fromStart replaces all but the genesis.
func (s *simulation) fromStart() {
	s.fork(1, 1+s.rng.Uint64N(s.head+5))
	s.note("reset to genesis", "head %d", s.head)
}

// lying lets one node or all serve another chain for up to a minute: one of
// another id, of another genesis, or a branch of the right one.
func (s *simulation) lying() {
	i, all := s.rng.IntN(len(s.nodes)), s.rng.IntN(3) == 0
	what, from := []string{"of another id", "of another genesis", "that branches off"}[s.rng.IntN(3)], uint64(0)
	if what == "that branches off" {
		from = s.head + 1 - s.depth()
	}
	_, c := s.branch(from, s.head+s.rng.Uint64N(4))
	if what == "of another id" {
		c.ChainID++
	}
	span := time.Duration(1+s.rng.IntN(60)) * time.Second
	if !s.honest() {
		return
	}
	set := func(c *recorded.Chain) {
		for at := range s.nodes {
			if all || at == i {
				s.lie(at, c)
			}
		}
	}
	set(c)
	s.later = append(s.later, timed{time.Now().Add(span), func() { set(nil) }})
	s.note("lie", "node %d (all: %t) has a chain %s, from block %d to %d, for %s", i, all, what, from, c.Last(), span)
}

func (s *simulation) die() {
	point := points[s.rng.IntN(len(points))]
	s.note("crash", "at %s", point)
	s.program.crash(point, time.Duration(s.rng.IntN(4000))*time.Millisecond)
}

// diskFull lets little be free on the disk for a while.
func (s *simulation) diskFull() {
	s.program.full.Store(true)
	d := s.after(20*time.Second, func() { s.program.full.Store(false) })
	s.note("disk", "nearly full for %s", d)
}

// smallDisk lets SQLite run out of room.
func (s *simulation) smallDisk() {
	pages := 1 + s.rng.IntN(12)
	s.note("disk", "full after %d more pages", pages)
	s.program.smallDisk(pages)
	s.after(40*time.Second, func() { s.program.fail(s.program.roomAgain()) })
}

func (s *simulation) finalize() {
	back := 1 + s.rng.Uint64N(12)
	for _, n := range s.nodes {
		n.Do(func(n *nodetest.Node) {
			n.Tags["finalized"] = n.Head - min(n.Head, 2*back)
			n.Tags["safe"] = n.Head - min(n.Head, back)
		})
	}
	s.note("finalized", "%d below the head", 2*back)
}

// contradict lets all nodes serve a chain without the block that they call
// finalized, and come back.
func (s *simulation) contradict() {
	span := time.Duration(10+s.rng.IntN(140)) * time.Second
	final := s.program.finalized()
	if final < s.program.first()+3 || final > s.head || !s.honest() {
		return
	}
	back := s.keep()
	s.swear(s.served.Block(final))
	s.fork(final-s.rng.Uint64N(2), s.head+1)
	s.note("finality contradicted", "block %d, for %s", final, span)
	s.wait(span)
	back()
	s.swear(nil)
	s.note("back", "to the chain with block %d, head %d", final, s.head)
}

// operator lets somebody ask for all missing blocks.
func (s *simulation) operator() {
	s.program.retryAll()
	s.note("retry all", "by an operator")
}

// skip lets an operator give up a missing block.
func (s *simulation) skip() {
	file, worker := s.program.parts()
	if file == nil {
		return
	}
	ctx := context.Background()
	missing, err := file.FailedFrom(ctx, 0, 1)
	if err != nil || len(missing) == 0 {
		return
	}
	if file.Skip(ctx, missing[0].Number, "simulated") == nil {
		_ = worker.Reload(ctx) // the file may be closed by now
	}
	s.note("skip", "block %d", missing[0].Number)
}

// prune moves the start block up.
func (s *simulation) prune() {
	to := s.program.first() + 1 + s.rng.Uint64N(20)
	s.note("prune", "below block %d: the file begins with block %d", to, s.program.prune(to))
}

// undermine reorganises the chain below a missing block while it is on its way,
// and lets it be missing on the new chain too.
func (s *simulation) undermine() {
	number, late, wait := s.head+1, 800*time.Millisecond<<s.rng.IntN(4), time.Duration(1+s.rng.IntN(3))*time.Second
	from, head := number-s.rng.Uint64N(2), number+s.rng.Uint64N(2)
	above := s.rng.IntN(3)
	wrong := func() *nodetest.Fault { return s.fault(nodetest.WrongReceipts, 12) }
	if s.head < 6 || s.head > highest {
		return
	}
	s.spoil(number, number, wrong)
	s.grow(1 + above)
	time.Sleep(wait) // it is missing now
	s.spoil(number, number, nil)
	before := make([]int64, len(s.delays))
	for i := range s.delays {
		before[i] = s.delays[i].Swap(int64(late))
	}
	s.program.retryAll()
	time.Sleep(late / 4) // it is asked for, and on its way
	for i := range s.delays {
		s.delays[i].Store(before[i])
	}
	s.spoil(from, number+1, wrong)
	s.fork(from, head)
	s.note("undermined", "block %d, answered %s late; the chain is another one from block %d, head %d", number, late, from, head)
}

// displace lets a block of another chain come in at the lower edge of a gap: it
// is what the nodes have at its number for some seconds, as behind a balancer one
// that is late. The block above it, which comes then, shows what it is.
func (s *simulation) displace() {
	number := s.head + 1
	if s.head < 6 || s.head > highest || !s.honest() {
		return
	}
	s.spoil(number, number+1, func() *nodetest.Fault {
		f := s.fault(nodetest.WrongReceipts, 1)
		f.Times = 0
		return f
	})
	s.grow(3)
	time.Sleep(time.Duration(2+s.rng.IntN(4)) * time.Second) // they are missing now
	_, other := s.branch(number, number)
	mixed := *s.served
	mixed.Blocks = slices.Clone(mixed.Blocks)
	mixed.Blocks[number] = other.Blocks[number]
	s.spoil(number, number, nil)
	for i := range s.nodes {
		s.lie(i, &mixed)
	}
	s.program.retryAll()
	time.Sleep(time.Duration(1+s.rng.IntN(4)) * time.Second) // it is stored now
	for i := range s.nodes {
		s.lie(i, nil)
	}
	s.spoil(number+1, number+1, nil)
	s.program.retryAll()
	s.note("displaced", "block %d, which was of another chain, head %d", number, s.head)
	time.Sleep(3 * time.Second) // it is found out now
	if err := s.within(10*time.Minute, s.program.queued); err != nil {
		s.program.fail(err)
	}
}

// spoil lets all nodes fail about some blocks; nil ends it.
func (s *simulation) spoil(first, last uint64, fault func() *nodetest.Fault) {
	for _, n := range s.nodes {
		n.Do(func(n *nodetest.Node) {
			for number := first; number <= last; number++ {
				delete(n.Faults, number)
				if fault != nil {
					n.Faults[number] = fault()
				}
			}
		})
	}
}

// outgrow lets the chain become longer than the file: a node whose chain became
// shorter is for it one that lags.
func (s *simulation) outgrow() {
	file, _ := s.program.parts()
	if file == nil {
		return
	}
	if next, err := file.Next(context.Background()); err == nil && next > s.head {
		s.grow(int(next - s.head))
		s.note("outgrown", "head %d", s.head)
	}
}
