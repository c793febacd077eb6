package jsonrpc

import (
	"bytes"
	"testing"
)

// An outbox that was too full once says so for ever: its client has missed
// something.
func TestOutbox(t *testing.T) {
	o := newOutbox()
	large := answer(bytes.Repeat([]byte("x"), mostPending/4))
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
	o.put(answer("1"))
	if _, ok := o.take(); ok {
		t.Error("not full")
	}
	o.put(answer("2"))
	if _, ok := o.take(); ok {
		t.Error("not full any more")
	}
	select {
	case <-o.wake:
	default:
		t.Error("nobody was woken")
	}
}
