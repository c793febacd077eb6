package indexer

import (
	"context"
	"sync"
	"time"
)

// What is asked for at once while catching up, at least and at most.
const (
	leastRequests, firstRequests, mostRequests = 2, 8, 32
	leastBlocks, firstBlocks, mostBlocks       = 5, 50, 200

	// An answer that takes less than quickAnswer is worth to be longer, one that
	// takes more than slowAnswer had better be shorter: what comes after it
	// waits to be committed.
	quickAnswer, slowAnswer = 100 * time.Millisecond, 2 * time.Second

	// A trial is over when each of its requests was answered so often, and not
	// before trialTime.
	trialAnswers = 3
	trialTime    = 250 * time.Millisecond
	// worthwhile is what more requests must win, and fewer may lose.
	worthwhile = 1.1
	// contentFor is how many trials there are of what was found best, before
	// something else is tried.
	contentFor = 20
)

// A pace is how much is asked for at once: how many requests are under way, and
// how many blocks each is for. A node far away wants many, one on the same two
// cores is no faster for it, and neither is known before: the pace tries more
// requests as long as more comes in, then fewer as long as no less does.
type pace struct {
	freed chan struct{} // buffered, 1: one more may begin

	mu       sync.Mutex // guards what follows
	blocks   int        // of a request
	requests int        // under way, at most
	underWay int

	trial   trial
	best    float64 // bytes a second that came in before the last step, or of late
	step    int     // the last one, which is on trial: requests more, or fewer
	content int     // trials until the next one; 0 while one is on trial
	fewer   bool    // the next one
}

// A trial is some time with the same number of requests.
type trial struct {
	began   time.Time
	answers int
	bytes   int64
	held    bool // something else than the number of requests was the limit
	failed  bool // it began with a failure
}

func newPace() *pace {
	return &pace{freed: make(chan struct{}, 1), blocks: firstBlocks, requests: firstRequests, content: 1}
}

// resume begins another trial after a time in which nothing was asked for.
func (p *pace) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trial = trial{began: time.Now()}
}

// begin waits until another request may begin, and says for how many blocks it
// may be.
func (p *pace) begin(ctx context.Context) (blocks int, err error) {
	for {
		if blocks, ok := p.tryBegin(); ok {
			return blocks, nil
		}
		select {
		case <-p.freed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (p *pace) tryBegin() (blocks int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay >= p.requests {
		return 0, false
	}
	p.underWay++
	return p.blocks, true
}

// hold notes that requests wait for something else: for room in the window, or
// for a commit. What comes in says nothing about the node meanwhile.
func (p *pace) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trial.held = true
}

// giveUp ends a request of which nothing came that would tell anything.
func (p *pace) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended()
}

func (p *pace) ended() {
	p.underWay--
	poke(p.freed)
}

// failed ends a request that failed as a whole, as others that were under way
// may have.
func (p *pace) failed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended()
	if p.trial.failed && time.Since(p.trial.began) < trialTime {
		return
	}
	p.requests, p.blocks = max(leastRequests, p.requests/2), max(leastBlocks, p.blocks/2)
	p.best, p.content, p.trial = 0, contentFor, trial{began: time.Now(), failed: true}
}

// answered ends a request for a number of blocks that was answered with bytes of
// JSON after a time.
func (p *pace) answered(blocks int, bytes int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended()
	switch {
	case took > slowAnswer:
		p.blocks = max(leastBlocks, min(p.blocks, blocks/2))
	case took < quickAnswer && blocks >= p.blocks:
		p.blocks = min(mostBlocks, p.blocks*3/2)
	}
	p.trial.answers++
	p.trial.bytes += bytes
	if since := time.Since(p.trial.began); since >= trialTime && p.trial.answers >= trialAnswers*p.requests {
		p.judge(float64(p.trial.bytes) / since.Seconds())
	}
}

// judge ends a trial in which so many bytes a second came in.
func (p *pace) judge(rate float64) {
	if p.trial.held {
		rate = p.best // with other requests it would have been the same
	}
	p.trial = trial{began: time.Now()}
	switch {
	case p.content > 0:
		p.settle(rate)
	case p.step > 0 && rate > p.best*worthwhile:
		p.best = rate
		p.take()
	case p.step < 0 && rate > p.best/worthwhile:
		p.take() // best stays, so that little losses don't add up
	default:
		p.requests -= p.step
		p.fewer, p.content = p.step > 0, contentFor
	}
}

// settle takes in what comes in of late, and takes a step now and then.
func (p *pace) settle(rate float64) {
	if p.best == 0 {
		p.best = rate
	}
	p.best += (rate - p.best) / 4
	if p.content--; p.content <= 0 && p.best > 0 {
		p.take()
	}
}

// take takes a step. Where there is no further, the next is the other way.
func (p *pace) take() {
	if p.fewer {
		p.step = -min(p.requests-leastRequests, (p.requests+2)/3)
	} else {
		p.step = min(mostRequests-p.requests, (p.requests+1)/2)
	}
	p.requests += p.step
	if p.content = 0; p.step == 0 {
		p.fewer, p.content = !p.fewer, contentFor
	}
	poke(p.freed)
}
