package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gapless/internal/chain"
)

const (
	// singlesAtOnce bounds the requests that all hedges of an endpoint make beside
	// their batches: a node that is slow because it is asked much is not to be
	// asked much more.
	singlesAtOnce = 16
	// singlePatience is how long a single request gives nothing at least before
	// its group is silent. With the least patience before it, that is silentAfter.
	singlePatience = silentAfter - leastPatience
	// evidenceEvery is how often a hedge that is over its time looks whether
	// anything else was answered.
	evidenceEvery = 250 * time.Millisecond
)

// errUnanswered marks an endpoint that answered neither a request nor a probe.
var errUnanswered = errors.New("no answer, not even to a probe,")

// A hedge is a request for several groups of calls, and what is asked beside it.
// When the request gives nothing for longer than is usual for the endpoint, its
// groups are asked for singly and in parallel. A group that stays silent, while
// the endpoint answers what it was asked later, fails with [chain.Timeout]; all
// others get their answers. So one silent block holds no other.
type hedge struct {
	endpoint *endpoint
	calls    []*call // the caller's; a group's answers are put there
	ends     []int   // by group: the place behind its last call
	began    time.Time

	whole   *attempt
	singles []*attempt // by group, nil: not asked for singly
	probe   *attempt   // nil: not needed so far
	ended   chan *attempt
	workers sync.WaitGroup

	settled    []bool    // by group
	left       int       // groups that are not settled
	splitAt    time.Time // since when the groups are asked for singly; zero: they are not
	answeredAt time.Time // when it was first seen that the endpoint answers what it was asked later
	next       int       // group to ask for singly next
	running    int       // singles under way
	limited    error     // why no further single is asked for
	slept      error     // of an attempt under way while the machine slept: then nobody was silent
	silent     int       // groups that failed with chain.Timeout
	logged     bool
	waiting    atomic.Pointer[string] // what is not settled, in words
}

// An attempt is one request of a hedge. Its calls are copies: another attempt
// may be answered first.
type attempt struct {
	calls []*call
	group int // that it is for; of no meaning for the whole
	meter meter
	stop  func()
	done  bool
	err   error // once it is done
}

// hedge makes the calls in one request, and in others beside it while that is
// silent. With an error it gives the calls that are to be made again.
func (e *endpoint) hedge(ctx context.Context, calls []*call, size int) (left []*call, err error) {
	ends := groupsOf(calls, size)
	groups := len(ends)
	h := &hedge{
		endpoint: e, calls: calls, ends: ends, began: time.Now(), ended: make(chan *attempt),
		singles: make([]*attempt, groups), settled: make([]bool, groups), left: groups,
	}
	h.show()
	within, stop := context.WithCancel(ctx)
	defer h.leave()
	defer h.workers.Wait()
	defer stop()
	h.whole = h.start(within, calls, 0, false)
	e.silence.begin(h)
	defer e.silence.end(h)
	if err := h.run(ctx, within); err != nil {
		return h.unsettled(), err
	}
	slow := h.isSplit() && h.silent == 0 && !h.whole.done // each group was answered, only all together were not
	if slow {
		h.usual().saw(time.Since(h.asked()))
	}
	if groups > 1 && e.silence.slowBatches(slow) {
		e.shrink(len(calls), false)
	}
	return nil, nil
}

// groupsOf divides calls into groups of at most size: neighbours that are about
// one block. A batch may begin or end within a group.
func groupsOf(calls []*call, size int) (ends []int) {
	begin := 0
	for i := 1; i <= len(calls); i++ {
		if i == len(calls) || i-begin == size || !calls[i].sameBlock(calls[begin]) {
			ends = append(ends, i)
			begin = i
		}
	}
	return ends
}

// start makes a request of copies of calls.
func (h *hedge) start(ctx context.Context, calls []*call, group int, urgent bool) *attempt {
	a := &attempt{group: group, calls: make([]*call, len(calls))}
	for i, c := range calls {
		copied := *c
		a.calls[i] = &copied
	}
	var within context.Context
	within, a.stop = context.WithCancel(ctx)
	h.workers.Go(func() {
		defer a.stop()
		a.err = h.endpoint.exchange(within, a.calls, urgent, &a.meter)
		select {
		case h.ended <- a:
		case <-ctx.Done():
		}
	})
	return a
}

// leave gives back the places of single requests that nobody waits for any more.
func (h *hedge) leave() {
	for ; h.running > 0; h.running-- {
		h.endpoint.silence.leave()
	}
}

// run works until each group is settled or nothing more is to be expected.
func (h *hedge) run(ctx, within context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for h.left > 0 {
		at := h.step(within)
		if h.left == 0 {
			break // what was left is given up
		}
		timer.Reset(time.Until(at))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case a := <-h.ended:
			h.took(a)
		case <-timer.C:
			if time.Since(at) > lateness {
				h.restart() // the machine slept, and nobody was silent
			}
		}
		if err := h.over(); err != nil {
			return err
		}
	}
	return nil
}

// took takes the end of an attempt.
func (h *hedge) took(a *attempt) {
	a.done = true
	if errors.Is(a.err, errSlept) {
		h.slept = a.err
	}
	switch {
	case a == h.probe:
		return
	case a != h.whole:
		h.running--
		h.endpoint.silence.leave()
		if chain.ClassOf(a.err) == chain.RateLimited || errors.Is(a.err, errSmaller) {
			h.limited = a.err
		}
	}
	if a.err != nil {
		return
	}
	if a != h.whole {
		h.settle(a.group, a.calls)
		return
	}
	for i := range h.ends {
		h.settle(i, h.part(a.calls, i))
	}
}

// settle puts the answers to a group into the caller's calls.
func (h *hedge) settle(group int, answered []*call) {
	if h.settled[group] {
		return
	}
	h.done(group)
	answered[0].within.take(answered[0].bytes)
	for i, c := range h.groupOf(group) {
		c.raw, c.err = answered[i].raw, answered[i].err
	}
}

func (h *hedge) done(group int) {
	h.settled[group] = true
	h.left--
	if h.isSplit() {
		h.show()
	}
}

func (h *hedge) isSplit() bool { return !h.splitAt.IsZero() }

// show says in words what is not settled.
func (h *hedge) show() {
	first := slices.Index(h.settled, false)
	if first < 0 {
		return
	}
	text := h.groupOf(first)[0].what()
	if h.left > 1 {
		text = fmt.Sprintf("%s and %d more", text, h.left-1)
	}
	h.waiting.Store(&text)
}

func (h *hedge) groupOf(i int) []*call { return h.part(h.calls, i) }

// part gives what of all calls is one group.
func (h *hedge) part(calls []*call, group int) []*call {
	begin := 0
	if group > 0 {
		begin = h.ends[group-1]
	}
	return calls[begin:h.ends[group]]
}

// unsettled gives the calls of the groups that have no answer.
func (h *hedge) unsettled() (calls []*call) {
	for i, settled := range h.settled {
		if !settled {
			calls = append(calls, h.groupOf(i)...)
		}
	}
	return calls
}

// over returns an error if no attempt is left that may bring something.
func (h *hedge) over() error {
	switch {
	case h.calls[0].within.exceeded():
		return errorf(chain.TooLarge, "%w", errAllowance)
	case h.left == 0:
		return nil
	case h.isLarge() && h.whole.done && h.overdue() && !h.answeredAt.IsZero():
		h.giveUp(0, time.Now())
		return nil
	case h.slept != nil:
		return h.slept
	case h.limited != nil && h.running == 0:
		return h.limited
	case h.unanswered() && h.overdue():
		return h.dead()
	case !h.whole.done, h.isSplit() && (h.running > 0 || h.next < len(h.singles)):
		return nil
	}
	return h.whole.err
}

// unanswered reports whether the endpoint has answered nothing since the groups
// were asked for, not even a probe.
func (h *hedge) unanswered() bool {
	return h.probe != nil && (!h.probe.done || h.probe.err != nil) && !h.endpoint.silence.answeredSince(h.asked())
}

// overdue reports whether the endpoint has had all its time, which is less where
// there is another one to ask.
func (h *hedge) overdue() bool {
	if h.whole.done {
		return errors.Is(h.whole.err, errSilent)
	}
	silent, _ := h.whole.meter.silence(time.Now())
	return h.endpoint.elsewhere() && silent >= h.usual().dead(h.endpoint.timeout)
}

// dead is the error of an endpoint that answers nothing.
func (h *hedge) dead() error {
	silent := time.Since(h.asked()).Round(time.Millisecond)
	return errorf(chain.EndpointDown, "%s: %w in %s", h.endpoint.label, errUnanswered, silent)
}

// restart counts silence from now on.
func (h *hedge) restart() {
	h.began, h.answeredAt = time.Now(), time.Time{}
	for _, a := range append([]*attempt{h.whole}, h.singles...) {
		if a != nil {
			a.meter.restart(h.began)
		}
	}
}

// asked is when the groups were first asked for.
func (h *hedge) asked() time.Time {
	if sent := h.whole.meter.sentAt(); sent.After(h.began) {
		return sent
	}
	return h.began
}

// what names what is waited for. Any goroutine may ask.
func (h *hedge) what() string { return *h.waiting.Load() }
