package node

import (
	"sync"
	"time"
)

const (
	// An exchange is silent while less than progress bytes of an awaited answer
	// came in the last silentAfter.
	progress    = 2 << 10
	silentAfter = 2 * time.Second
)

// A meter measures how the answer to one request comes in. A nil meter measures
// nothing.
type meter struct {
	mu    sync.Mutex    // guards what follows
	sent  time.Time     // zero: the request was not sent yet
	since time.Time     // when the request was sent, or when the last progress bytes were complete
	bytes int           // since then
	first time.Duration // from sent to the first progress bytes; zero: they did not come
}

// start notes that the request is sent now.
func (m *meter) start() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = time.Now()
	m.since, m.bytes, m.first = m.sent, 0, 0
}

// Write counts bytes of the answer. It never fails.
func (m *meter) Write(p []byte) (int, error) {
	if m == nil {
		return len(p), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes += len(p); m.bytes >= progress {
		m.since, m.bytes = time.Now(), 0
		if m.first == 0 {
			m.first = m.since.Sub(m.sent)
		}
	}
	return len(p), nil
}

// took gives how long it took until something of the answer came in, which is
// complete now.
func (m *meter) took() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first > 0 {
		return m.first
	}
	return time.Since(m.sent)
}

// sentAt is when the request was sent; zero: not yet.
func (m *meter) sentAt() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent
}

// silence gives for how long nothing has come in, and whether anything ever
// did. It is zero before the request is sent.
func (m *meter) silence(now time.Time) (d time.Duration, begun bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sent.IsZero() {
		return 0, false
	}
	return now.Sub(m.since), m.first > 0
}

// restart counts silence from now on.
func (m *meter) restart(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.sent.IsZero() {
		m.since = now
	}
}
