package node

import "sync"

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

// reject makes a block that was given one that failed. It gives the endpoint that
// gave it, or nil.
func (m *memory) reject(number uint64) *endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.blocks[number]
	if ok {
		m.blocks[number] = origin{o.endpoint, true}
	}
	return o.endpoint
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
