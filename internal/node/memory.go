package node

import (
	"sync"
	"time"

	"gapless/internal/chain"
)

// memoryOf bounds how many blocks a memory holds.
const memoryOf = 10_000

// A memory knows of recent blocks which endpoint gave or failed to give them.
type memory struct {
	mu     sync.Mutex // guards all
	blocks map[uint64]origin
}

type origin struct {
	endpoint *endpoint
	failed   bool
}

// failed notes that e failed to give a block.
func (m *memory) failed(number uint64, e *endpoint) { m.put(number, origin{e, true}) }

// gave notes that e gave a block.
func (m *memory) gave(number uint64, e *endpoint) { m.put(number, origin{e, false}) }

// failedAt gives the endpoint that last failed to give a block, or nil.
func (m *memory) failedAt(number uint64) *endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.blocks[number]; o.failed {
		return o.endpoint
	}
	return nil
}

// reject makes a block that was given one that failed.
func (m *memory) reject(number uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o, ok := m.blocks[number]; ok {
		m.blocks[number] = origin{o.endpoint, true}
	}
}

func (m *memory) put(number uint64, o origin) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blocks == nil {
		m.blocks = make(map[uint64]origin)
	}
	if _, ok := m.blocks[number]; !ok && len(m.blocks) >= memoryOf {
		for other := range m.blocks { // any
			delete(m.blocks, other)
			break
		}
	}
	m.blocks[number] = o
}

// prunedFor is how long it is believed that a height is pruned, before the
// endpoint is asked again.
const prunedFor = 10 * time.Minute

// has reports whether an endpoint may have a block: it is not known to be pruned
// there, nor to be above its head. The leader is asked in any case for what is
// above.
func (e *endpoint) has(number uint64, leads bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	pruned := number < e.state.Lowest && now.Before(e.prunedAt.Add(prunedFor))
	above := number > e.state.Head && now.Before(e.headAt.Add(headFor))
	return !pruned && (leads || !above)
}

// learnRange learns from results which blocks the endpoint has.
func (e *endpoint) learnRange(results []chain.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		if r.Number > e.state.Head {
			e.state.Head, e.headAt = r.Number, time.Now()
		}
		e.given = min(e.given, r.Number)
		e.state.Lowest = min(e.state.Lowest, e.given)
	}
	for _, r := range results {
		if r.Err != nil && chain.ClassOf(r.Err) == chain.Pruned {
			e.learnPruned(r.Number)
		}
	}
}

// learnPruned believes that nothing up to a number is kept, if it was said of
// another one too and no lower block was given; e.mu is held.
func (e *endpoint) learnPruned(number uint64) {
	if e.prunedOne == nil {
		e.prunedOne = &number
	}
	if one := *e.prunedOne; one != number && max(one, number) < e.given {
		e.state.Lowest = max(e.state.Lowest, one+1, number+1)
		e.prunedAt = time.Now()
	}
}
