package events

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gapless/internal/store"
)

const (
	// batch is how many rows are read at once.
	batch = 500
	// mostKept is how many events a tail keeps, and mostKeptBytes how long they
	// may be. Who is further back reads the journal itself.
	mostKept      = 2000
	mostKeptBytes = 4 << 20
)

// An event is a row of the journal as it is sent.
type event struct {
	seq  int64
	text []byte // shared by all streams, and never changed
}

// payload is the data of an event.
type payload struct {
	At     time.Time       `json:"at"`
	First  uint64          `json:"first_block"`
	Last   uint64          `json:"last_block"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// encode makes an event of a row of the file that epoch names.
func encode(epoch string, row *store.JournalRow) (event, error) {
	data, err := json.Marshal(payload{row.At.UTC(), row.First, row.Last, json.RawMessage(row.Detail)})
	return event{row.Seq, text(epoch, row.Seq, row.Kind, data)}, err
}

func text(epoch string, seq int64, kind string, data []byte) []byte {
	return fmt.Appendf(nil, "id: %s-%d\nevent: %s\ndata: %s\n\n", epoch, seq, kind, data)
}

// A tail is the end of the journal, read and encoded once for all streams: by
// the first of them that asks after a commit, while the others wait for it.
type tail struct {
	store *store.Store

	mu     sync.Mutex      // guards what follows
	read   <-chan struct{} // closed by the first commit that was not read; nil at first
	epoch  string          // of the file; empty at first
	since  int64           // the events are all those after it
	events []event         // in order; appended to, and put in a new place when cut
	bytes  int             // of events
}

// after gives events after a row of a file, up to batch, and the end of the
// journal. If another file has taken its place, known is false; if the row is
// before what is kept, there are no events although the end is past it.
func (t *tail) after(ctx context.Context, epoch string, seq int64) (events []event, end int64, known bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(ctx); err != nil {
		return nil, 0, false, err
	}
	if epoch != t.epoch || seq < t.since {
		return nil, t.end(), epoch == t.epoch, nil
	}
	from, _ := slices.BinarySearchFunc(t.events, seq+1, func(e event, seq int64) int { return cmp.Compare(e.seq, seq) })
	to := min(from+batch, len(t.events))
	return t.events[from:to:to], t.end(), true, nil
}

// position is the file and the end of its journal.
func (t *tail) position(ctx context.Context) (epoch string, end int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(ctx); err != nil {
		return "", 0, err
	}
	return t.epoch, t.end(), nil
}

func (t *tail) end() int64 {
	if n := len(t.events); n > 0 {
		return t.events[n-1].seq
	}
	return t.since
}

// refresh reads what was committed since the last time.
func (t *tail) refresh(ctx context.Context) error {
	changed := t.store.Changed() // before reading, to miss nothing
	if t.read == changed {
		return nil
	}
	for {
		more, err := t.step(ctx)
		if err != nil {
			return err
		}
		if !more {
			t.read = changed
			return nil
		}
	}
}

// step reads some rows, and reports whether there may be more.
func (t *tail) step(ctx context.Context) (more bool, err error) {
	end, err := t.store.JournalEnd(ctx)
	if err != nil {
		return false, err
	}
	rows, err := t.store.JournalAfter(ctx, max(t.end(), end-mostKept), batch)
	if err != nil {
		return false, err
	}
	other, err := t.rotated(ctx)
	if other || err != nil {
		return other, err // the rows are of which file?
	}
	if end-mostKept > t.end() { // nobody has asked yet, or for long
		t.since, t.events, t.bytes = end-mostKept, nil, 0
	}
	for i := range rows {
		e, err := encode(t.epoch, &rows[i])
		if err != nil {
			return false, err
		}
		t.events, t.bytes = append(t.events, e), t.bytes+len(e.text)
	}
	t.cut()
	return len(rows) == batch, nil
}

// rotated reports whether there is another file than the one that the tail is
// of, and if so begins with it.
func (t *tail) rotated(ctx context.Context) (bool, error) {
	epoch, err := epochOf(ctx, t.store)
	if errors.Is(err, store.ErrNoChain) && t.epoch != "" {
		return false, nil // nothing was written to the new file either
	}
	if err != nil || epoch == t.epoch {
		return false, err
	}
	t.epoch, t.since, t.events, t.bytes = epoch, 0, nil, 0
	return true, nil
}

func epochOf(ctx context.Context, s *store.Store) (string, error) {
	id, err := s.Identity(ctx)
	return fmt.Sprintf("%x", id.Epoch), err
}

// cut drops the older half of the events when they are too many. Streams may
// still be at it.
func (t *tail) cut() {
	for len(t.events) > mostKept || t.bytes > mostKeptBytes && len(t.events) > 1 {
		half := len(t.events) / 2
		for _, e := range t.events[:half] {
			t.bytes -= len(e.text)
		}
		t.since = t.events[half-1].seq
		t.events = slices.Clone(t.events[half:])
	}
}
