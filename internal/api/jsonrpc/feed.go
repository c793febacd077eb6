package jsonrpc

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
	"gapless/internal/store"
)

const (
	// remembered is how many blocks below the head a feed remembers the logs
	// of, to tell of them when a reorg has taken the blocks away.
	remembered = 128
	// mostRemembered bounds the logs that are remembered.
	mostRemembered = 100_000
	// stepBlocks is how many new blocks are read at once.
	stepBlocks = 64
	// lookAgain is how long a feed waits after the file could not be read.
	lookAgain = time.Second
)

// A news is what a change of the file means to those who listen: first logs that
// are no longer, then headers of blocks on top, then logs that are new.
type news struct {
	removed []*store.FoundLog
	heads   []*chain.Header
	filled  []*chain.Header // of blocks below the head
	logs    []*store.FoundLog
	lost    bool // logs were removed that are not remembered
}

// A listener takes news. It must not wait for anybody.
type listener interface {
	hear(n *news)
}

// A feed compares the file with what it has told. It works while there are
// listeners. What the journal says since is only a hint where to look: what is
// told is the difference between two states of the file, so that a block that
// came and went between two looks is not told of.
type feed struct {
	file    *file
	changed func() <-chan struct{} // only run asks

	mu        sync.Mutex // guards what follows
	listeners map[listener]struct{}
	announced
	started chan struct{} // closed when there is a listener again
}

// An announced is what the listeners know.
type announced struct {
	epoch [8]byte
	seq   int64  // of the journal, as far as it was read
	next  uint64 // the first block that was not told
	told  map[uint64]*told
	logs  int // how many are remembered
}

// copy gives a copy that stays as it is.
func (a announced) copy() announced {
	a.told = maps.Clone(a.told)
	return a
}

// A told is a block that the listeners know of.
type told struct {
	hash common.Hash
	logs []*store.FoundLog
}

func newFeed(f *file, changed func() <-chan struct{}) *feed {
	return &feed{file: f, changed: changed, listeners: make(map[listener]struct{}), started: make(chan struct{})}
}

// add adds a listener, which hears of what comes after.
func (f *feed) add(ctx context.Context, l listener) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if len(f.listeners) == 0 {
		err = f.begin(ctx)
	} else {
		err = f.catchUp(ctx)
	}
	if err != nil {
		return err
	}
	if len(f.listeners) == 0 {
		close(f.started)
		f.started = make(chan struct{})
	}
	f.listeners[l] = struct{}{}
	return nil
}

// remove removes a listener, if it is one.
func (f *feed) remove(l listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
}

// poll tells what there is to tell now.
func (f *feed) poll(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.catchUp(ctx)
}

// run tells of changes as they come, until ctx ends.
func (f *feed) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		idle, started := len(f.listeners) == 0, f.started
		f.mu.Unlock()
		changed, again := f.changed(), (<-chan time.Time)(nil)
		if idle {
			changed = started
		} else if f.poll(ctx) != nil {
			again = time.After(lookAgain) // there may be no change for long
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again:
		}
	}
}

// begin notes where the file is, and the logs of its last blocks.
func (f *feed) begin(ctx context.Context) error {
	return f.file.look(ctx, func(v *view) error {
		c, err := v.Changes(0)
		if err != nil {
			return err
		}
		f.epoch, f.seq, f.told, f.logs = c.Epoch, c.Seq, make(map[uint64]*told), 0
		latest, err := v.latest()
		if err == errEmpty {
			f.next, err = v.Start()
			return err
		}
		if err != nil {
			return err
		}
		f.next = latest + 1
		for number := f.floor(); number <= latest && err == nil; number++ {
			_, err = f.remember(ctx, v, number)
		}
		return err
	})
}

// floor is the lowest block whose logs are remembered.
func (f *feed) floor() uint64 { return f.next - min(f.next, remembered) }

// remember notes a block as told, nil if it is not stored.
func (f *feed) remember(ctx context.Context, v *view, number uint64) (*chain.Header, error) {
	b, counts, err := v.Header(number)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := &told{hash: b.Hash}
	if counts.Logs > 0 {
		err = v.Logs(ctx, &store.LogQuery{First: number, Last: number}, func(l *store.FoundLog) error {
			t.logs = append(t.logs, l.Clone())
			return nil
		})
	}
	f.forget(number)
	f.told[number] = t
	f.logs += len(t.logs)
	return &b.Header, err
}

// forget drops a block, and gives the logs that it had.
func (f *feed) forget(number uint64) []*store.FoundLog {
	t := f.told[number]
	if t == nil {
		return nil
	}
	delete(f.told, number)
	f.logs -= len(t.logs)
	return t.logs
}

// catchUp tells all that there is to tell. What is begun is done though ctx ends
// meanwhile: it is for all listeners, and ctx may be of one. If it fails nothing
// was told, and it is for the next who asks. The lock is held.
func (f *feed) catchUp(ctx context.Context) error {
	for more := len(f.listeners) > 0; more; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, before := new(news), f.announced.copy()
		whole := context.WithoutCancel(ctx)
		err := f.file.look(whole, func(v *view) (err error) {
			more, err = f.step(whole, v, n)
			return err
		})
		if err != nil {
			f.announced = before
			return err
		}
		f.prune()
		for l := range f.listeners {
			l.hear(n)
		}
	}
	return nil
}

// step finds out what is new, as far as one look goes.
func (f *feed) step(ctx context.Context, v *view, n *news) (more bool, err error) {
	c, err := v.Changes(f.seq)
	if err != nil {
		return false, err
	}
	start, err := v.Start()
	if err != nil {
		return false, err
	}
	switch {
	case c.Epoch != f.epoch: // another chain took the place of this one
		if err := f.compare(v, 0, n, true); err != nil {
			return false, err
		}
		f.epoch, f.next = c.Epoch, start
		if c, err = v.Changes(0); err != nil {
			return false, err
		}
		c.Touched = nil
	case c.Rewound != nil && *c.Rewound < f.next:
		n.lost = *c.Rewound < f.floor()
		if err := f.compare(v, *c.Rewound, n, false); err != nil {
			return false, err
		}
		f.next = *c.Rewound
	}
	f.seq = c.Seq
	if err := f.touched(ctx, v, c.Touched, n); err != nil {
		return false, err
	}
	return f.advance(ctx, v, n)
}

// compare forgets the told blocks from a number on that the file no longer has.
func (f *feed) compare(v *view, from uint64, n *news, all bool) error {
	for _, number := range f.numbers() {
		if number < from {
			continue
		}
		b, _, err := v.Header(number)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if all || err != nil || b.Hash != f.told[number].hash {
			n.removed = append(n.removed, f.forget(number)...)
		}
	}
	return nil
}

// numbers are those of the told blocks, in order.
func (f *feed) numbers() []uint64 {
	numbers := make([]uint64, 0, len(f.told))
	for number := range f.told {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// touched looks at blocks below the head that were filled or went missing.
func (f *feed) touched(ctx context.Context, v *view, numbers []uint64, n *news) error {
	for _, number := range numbers {
		if number >= f.next || number > v.limit {
			continue // comes with the blocks on top
		}
		old := f.told[number]
		b, _, err := v.Header(number)
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return err
		case err != nil: // it went missing
			n.removed = append(n.removed, f.forget(number)...)
			continue
		case old != nil && old.hash == b.Hash:
			continue
		}
		n.removed = append(n.removed, f.forget(number)...)
		header, err := f.remember(ctx, v, number)
		if err != nil {
			return err
		}
		n.filled = append(n.filled, header)
		n.logs = append(n.logs, f.told[number].logs...)
	}
	return nil
}

// advance tells of blocks on top.
func (f *feed) advance(ctx context.Context, v *view, n *news) (more bool, err error) {
	latest, err := v.latest()
	if err == errEmpty || err == nil && latest < f.next {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last := min(latest, f.next+stepBlocks-1)
	for number := f.next; number <= last; number++ {
		old := f.told[number]
		header, err := f.remember(ctx, v, number)
		if err != nil {
			return false, err
		}
		if header == nil || old != nil && old.hash == header.Hash { // missing, or back again
			continue
		}
		n.heads = append(n.heads, header)
		n.logs = append(n.logs, f.told[number].logs...)
	}
	f.next = last + 1
	return last < latest, nil
}

// prune forgets what is too far below the head, or too much.
func (f *feed) prune() {
	numbers := f.numbers()
	for _, number := range numbers {
		if number >= f.floor() && f.logs <= mostRemembered {
			return
		}
		f.forget(number)
	}
}
