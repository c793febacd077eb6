package jsonrpc

import (
	"testing"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// An outbox that was too full once says so for ever: its client has missed
// something.
func TestOutbox(t *testing.T) {
	o := newOutbox()
	large := item{log: &store.FoundLog{Log: chain.Log{Data: make([]byte, mostPending/8-300)}}}
	o.put()
	o.put(large, large)
	if items, ok := o.take(); !ok || len(items) != 2 {
		t.Errorf("%d items, %t", len(items), ok)
	}
	o.put(large, large, large, large)
	if items, ok := o.take(); !ok || len(items) != 4 {
		t.Errorf("just full: %d items, %t", len(items), ok)
	}
	o.put(large, large, large, large)
	o.put(item{head: new(chain.Header)})
	if _, ok := o.take(); ok {
		t.Error("not full")
	}
	o.put(item{head: new(chain.Header)})
	if _, ok := o.take(); ok {
		t.Error("not full any more")
	}
	select {
	case <-o.wake:
	default:
		t.Error("nobody was woken")
	}
}
