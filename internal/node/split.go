package node

import (
	"context"
	"time"

	"gapless/internal/chain"
)

// placeEvery is how often a hedge looks whether more single requests may be made.
const placeEvery = 50 * time.Millisecond

// step asks for groups singly and gives up those that are silent, if it is time
// for that. It says when to look again.
func (h *hedge) step(ctx context.Context) time.Time {
	now := time.Now()
	silent, _ := h.whole.meter.silence(now)
	if h.whole.meter.sentAt().IsZero() {
		return now.Add(evidenceEvery)
	}
	if !h.isSplit() && !h.whole.done {
		if patience := h.usual().patience(h.endpoint.timeout); silent < patience {
			return now.Add(patience - silent)
		}
		h.splitAt = now
		if h.isLarge() {
			h.next = len(h.singles)
		}
		h.calls[0].hushed()
	}
	again := now.Add(silentAfter - silent)
	if h.answeredAt.IsZero() && h.endpoint.silence.answeredSince(h.asked()) {
		h.answeredAt = now
	}
	h.askSingly(ctx)
	if h.whole.done || silent >= silentAfter {
		again = h.judge(ctx, now)
	}
	if soon := now.Add(placeEvery); h.limited == nil && h.next < len(h.singles) && soon.Before(again) {
		again = soon
	}
	return again
}

func (h *hedge) usual() *usual { return h.endpoint.silence.usualOf(h.calls[0]) }

// isLarge reports whether all is one block that may take as much as it wants. It
// is asked for once only, and has all the time that there is: memory would not
// hold it twice.
func (h *hedge) isLarge() bool {
	c := h.calls[0]
	return c.whole && c.within == nil && len(h.ends) == 1
}

// askSingly asks for as many groups as may be under way.
func (h *hedge) askSingly(ctx context.Context) {
	for ; h.limited == nil && h.next < len(h.singles); h.next++ {
		if h.settled[h.next] {
			continue
		}
		if !h.endpoint.silence.enter() {
			return
		}
		h.singles[h.next] = h.start(ctx, h.groupOf(h.next), h.next, false)
		h.running++
	}
}

// judge gives up the groups that are over their time while the endpoint answers
// what it was asked later. Where it has answered nothing, a probe shows whether
// it still does. After an outage, or when the machine wakes, what was under way is
// answered together with what was asked later: it has a moment for that.
func (h *hedge) judge(ctx context.Context, now time.Time) (again time.Time) {
	answers := !h.answeredAt.IsZero() && now.Sub(h.answeredAt) >= evidenceEvery
	if h.answeredAt.IsZero() && h.probe == nil {
		h.probe = h.start(ctx, []*call{newCall("eth_blockNumber")}, 0, true)
	}
	h.log(now)
	again = now.Add(evidenceEvery)
	if answers && h.logged {
		again = now.Add(h.endpoint.timeout)
	}
	for i, settled := range h.settled {
		if settled {
			continue
		}
		at := h.deadline(i)
		silent, over := h.isSilent(i, now), !now.Before(at)
		if silent && over && answers {
			h.giveUp(i, now)
			continue
		}
		if over || !silent {
			at = now.Add(evidenceEvery)
		}
		if at.Before(again) {
			again = at
		}
	}
	return again
}

// deadline is when a group is given up, if the endpoint answers others. A block
// that was silent before has all the time that there is: whoever asks for it again
// holds nobody up.
func (h *hedge) deadline(group int) time.Time {
	timeout := h.endpoint.timeout
	if c := h.groupOf(group)[0]; c.whole && h.endpoint.silence.was(*c.block) {
		return h.asked().Add(timeout)
	}
	return h.asked().Add(h.usual().deadline(timeout))
}

// isSilent reports whether a group was also asked for singly, and that gives
// nothing either.
func (h *hedge) isSilent(group int, now time.Time) bool {
	a := h.singles[group]
	if a == nil {
		return false
	}
	silent, begun := a.meter.silence(now)
	enough := max(singlePatience, h.usual().patience(h.endpoint.timeout))
	if begun {
		enough = silentAfter
	}
	return a.done || silent >= min(enough, h.endpoint.timeout/2)
}

// giveUp fails a group.
func (h *hedge) giveUp(group int, now time.Time) {
	h.silent++
	h.done(group)
	if a := h.singles[group]; a != nil {
		a.stop()
	}
	after := now.Sub(h.asked()).Round(100 * time.Millisecond)
	calls := h.groupOf(group)
	for _, c := range calls {
		c.raw, c.err = nil, errorf(chain.Timeout, "%s: %s: no answer in %s, while others are answered", h.endpoint.label, c.method, after)
	}
	if c := calls[0]; c.whole {
		h.endpoint.silence.add(*c.block)
	}
}

// log says once what is waited for, unless the endpoint is known to be down. What
// was asked for singly has had a moment by then.
func (h *hedge) log(now time.Time) {
	if h.logged || now.Sub(h.splitAt) < leastPatience || !h.endpoint.isUp() {
		return
	}
	h.logged = true
	silent, _ := h.whole.meter.silence(now)
	h.endpoint.logger.Warn("no answer yet", "endpoint", h.endpoint.label, "for", h.what(), "since", now.Add(-silent).Round(time.Millisecond))
}
