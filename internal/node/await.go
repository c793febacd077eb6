package node

import (
	"context"
	"errors"
	"time"

	"gapless/internal/chain"
	"gapless/internal/pause"
)

// Await returns once an endpoint answers. It asks at once, and then with waits
// that grow from 250 ms to 30 s, or to 1 s if all endpoints are on loopback, and to
// PollEvery if that is longer. An endpoint on another chain does not count, and one
// that asked for a respite not before its end. One that is refused for its genesis
// alone counts after half a second, so that the caller can ask for the Identity.
func (n *Node) Await(ctx context.Context) error {
	const shortest = 250 * time.Millisecond
	longest := 30 * time.Second
	if n.loopback() {
		longest = time.Second
	}
	longest = max(longest, n.PollEvery())
	for wait := shortest; ; wait = min(2*wait, longest) {
		if n.anyAnswers(ctx) {
			return nil
		}
		if err := pause.For(ctx, jitter(wait)); err != nil {
			return err
		}
	}
}

// anyAnswers asks all endpoints at once whether they answer, until one does.
func (n *Node) anyAnswers(ctx context.Context) bool {
	within, stop := context.WithCancel(ctx)
	defer stop()
	answers := make(chan bool)
	endpoints := n.endpoints()
	for _, e := range endpoints {
		go func() { answers <- n.answers(within, e) }()
	}
	any := false
	for range endpoints {
		if <-answers {
			any = true
			stop()
		}
	}
	return any && ctx.Err() == nil
}

// answers reports whether an endpoint answers, and is one for us.
func (n *Node) answers(ctx context.Context, e *endpoint) bool {
	if e.respite.left() > 0 {
		return false
	}
	if !e.isForeign() {
		if err := e.probe(ctx); err != nil {
			e.notAnswered(ctx, err)
			return false
		}
		if n.admit(ctx, e) == nil {
			return true
		}
	}
	const reset = 500 * time.Millisecond
	return e.isReset() && pause.For(ctx, reset) == nil
}

// notAnswered takes the failure of a probe.
func (e *endpoint) notAnswered(ctx context.Context, err error) {
	switch c, ok := err.(*chain.Error); {
	case ctx.Err() != nil || errors.Is(err, errBudget):
	case ok && c.Class == chain.RateLimited:
		e.respite.refused(c.After, time.Now())
	default:
		e.failed(err)
	}
}
