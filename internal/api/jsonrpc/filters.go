package jsonrpc

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/bytebudget"
	"gapless/internal/chain"
)

const (
	// filterLife is how long a filter stays that nobody asks for, as with geth.
	filterLife = 5 * time.Minute
	// mostFilters bounds what clients can leave behind.
	mostFilters = 1000
)

var errTooManyFilters = &Error{Code: codeLimit, Message: "too many filters; uninstall those that are not needed"}

// filterMethods are those of namespace eth for clients that poll. A log filter
// hears of a filled gap when it is filled, so that what it gives in all is whole
// once nothing is missing.
type filterMethods struct {
	feed   *feed
	logs   *logMethods
	behind *bytebudget.Budget // what clients leave behind

	mu      sync.Mutex // guards filters
	filters map[rpc.ID]*filter
}

// A filter collects for a client.
type filter struct {
	*interest
	expiry *time.Timer
}

// NewFilter makes a filter for logs.
func (m *filterMethods) NewFilter(ctx context.Context, c Criteria) (rpc.ID, error) {
	var i *interest
	err := m.feed.file.look(ctx, func(v *view) (err error) {
		i, err = newLogs(v, c)
		return err
	})
	if err != nil {
		return "", err
	}
	return m.add(ctx, i)
}

// NewBlockFilter makes a filter for hashes of blocks that come on top.
func (m *filterMethods) NewBlockFilter(ctx context.Context) (rpc.ID, error) {
	return m.add(ctx, &interest{out: newOutbox(), head: func(h *chain.Header) answer { return bytesAnswer(h.Hash[:]) }})
}

// NewPendingTransactionFilter makes a filter that stays empty: an index has no
// transactions that wait for a block. Its parameter, which asks for them whole,
// is not looked at.
func (m *filterMethods) NewPendingTransactionFilter(ctx context.Context, _ *json.RawMessage) (rpc.ID, error) {
	return m.add(ctx, silent())
}

func (m *filterMethods) add(ctx context.Context, i *interest) (rpc.ID, error) {
	m.mu.Lock()
	full := len(m.filters) >= mostFilters
	m.mu.Unlock()
	if full {
		return "", errTooManyFilters
	}
	if !i.out.open(m.behind.Account(), i.size()) {
		return "", errTooManyFilters
	}
	if err := m.feed.add(ctx, i); err != nil {
		i.out.close()
		return "", err
	}
	id := rpc.NewID()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.filters[id] = &filter{i, time.AfterFunc(filterLife, func() { m.UninstallFilter(id) })}
	return id, nil
}

// UninstallFilter removes a filter, and says whether there was one.
func (m *filterMethods) UninstallFilter(id rpc.ID) bool {
	m.mu.Lock()
	f := m.filters[id]
	delete(m.filters, id)
	m.mu.Unlock()
	if f == nil {
		return false
	}
	f.expiry.Stop()
	m.feed.remove(f.interest)
	f.out.close()
	return true
}

// get gives a filter, whose life begins anew; nil if there is none.
func (m *filterMethods) get(id rpc.ID) *filter {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.filters[id]
	if f != nil {
		f.expiry.Reset(filterLife)
	}
	return f
}

// none says in the client's manner that there is no such filter.
func (m *filterMethods) none(ctx context.Context) error {
	return m.feed.file.look(ctx, func(v *view) error {
		manner, err := v.manner()
		if err == nil {
			err = manner.noFilter
		}
		return err
	})
}

// GetFilterChanges gives what a filter has collected since the last time: logs,
// among them those removed by a reorg, or hashes of blocks. A filter that has
// missed something is gone.
func (m *filterMethods) GetFilterChanges(ctx context.Context, id rpc.ID) (answer, error) {
	f := m.get(id)
	if f == nil {
		return nil, m.none(ctx)
	}
	if err := m.feed.poll(ctx); err != nil {
		return nil, err
	}
	if err := reserve(ctx, int64(f.out.size())); err != nil { // what is taken can't be taken again
		return nil, timely(err)
	}
	items, ok := f.out.take()
	if !ok {
		m.UninstallFilter(id)
		return nil, errNoFilter // whatever the client's manner: something was missed
	}
	out := answer{'['}
	for i, one := range items {
		if i > 0 {
			out = append(out, ',')
		}
		encoded, err := f.encode(ctx, one)
		if err != nil {
			return nil, err
		}
		out = append(out, encoded...)
	}
	return append(out, ']'), nil
}

// GetFilterLogs gives all stored logs that a log filter selects.
func (m *filterMethods) GetFilterLogs(ctx context.Context, id rpc.ID) (answer, error) {
	f := m.get(id)
	if f == nil || f.interest.logs == nil {
		return nil, m.none(ctx)
	}
	return m.logs.GetLogs(ctx, *f.interest.logs)
}

// close stops the timers.
func (m *filterMethods) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.filters {
		f.expiry.Stop()
	}
}
