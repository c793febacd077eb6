package node

import (
	"context"
	"time"

	"gapless/internal/chain"
)

const (
	// paceBlocks is how far below the first head it is asked how fast the chain grows.
	paceBlocks = 1000
	// The pace is that of the last one to two hours, and not known of less than
	// ten minutes.
	paceWindow, leastPace = time.Hour, 10 * time.Minute
	// costBlocks is of how many blocks it is known what they cost.
	costBlocks = 512
)

// A need is what following the chain takes: how fast it grows, and how many
// calls a block has taken of late. It is the budget's, whose lock guards it.
type need struct {
	from, middle, head mark // from and middle are one and two windows ago, or later
	calls, blocks      float64
	asked              bool // for a block below the first head
}

// A mark is a block's place on the chain and in time.
type mark struct{ number, timestamp uint64 }

func markOf(h *chain.Header) mark { return mark{h.Number, h.Timestamp} }

// newNeed begins with what most blocks take: the block and its receipts.
func newNeed() need { return need{calls: 2 * 16, blocks: 16} }

// saw takes in a head.
func (n *need) saw(h mark) {
	if n.head == (mark{}) || h.number < n.from.number || h.timestamp < n.from.timestamp { // or it is another chain
		n.from, n.middle = h, h
	}
	if n.head = h; h.timestamp > n.middle.timestamp+uint64(paceWindow/time.Second) {
		n.from, n.middle = n.middle, h
	}
}

// began takes in a block below the first head.
func (n *need) began(h mark) {
	if h.number < n.from.number && h.timestamp <= n.from.timestamp {
		n.from = h
	}
}

// cost takes in how many calls some blocks took.
func (n *need) cost(blocks, calls int) {
	n.calls, n.blocks = n.calls+float64(calls), n.blocks+float64(blocks)
	if n.blocks > 2*costBlocks {
		n.calls, n.blocks = n.calls/2, n.blocks/2
	}
}

// perBlock is how many calls a block takes.
func (n *need) perBlock() float64 { return n.calls / n.blocks }

// daily is how many calls a day takes at the chain's pace, where so many may be
// made; 0 if the pace is not known.
func (n *need) daily(calls int, now time.Time) float64 {
	took := max(n.head.timestamp, uint64(max(0, now.Unix()))) - n.from.timestamp
	if took < uint64(leastPace/time.Second) || n.head.number <= n.from.number {
		return 0
	}
	blocks := float64(n.head.number-n.from.number) * day.Seconds() / float64(took)
	return blocks*n.perBlock() + float64(calls)/polledShare
}

// learnPace asks once how fast the chain has come to a head. What is not answered
// is learnt from the next heads.
func (n *Node) learnPace(ctx context.Context, h *chain.Header) {
	n.budget.sawHead(h)
	if h.Number < 2 || !n.budget.asksBelow() {
		return
	}
	number := max(1, h.Number-min(h.Number, paceBlocks)) // a genesis may be of 1970
	_ = n.use(ctx, func(e *endpoint) error {
		headers, _, err := e.headers(ctx, []uint64{number}, leading)
		if err == nil && headers[0] != nil {
			n.budget.sawBelow(headers[0])
		}
		return err
	})
}

func (b *budget) sawHead(h *chain.Header) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.need.saw(markOf(h))
	b.warn()
}

// asksBelow reports whether it is still to be asked for a block below the head.
// That is asked for once.
func (b *budget) asksBelow() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	asks := !b.need.asked
	b.need.asked = true
	return asks
}

func (b *budget) sawBelow(h *chain.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.need.began(markOf(h))
	b.warn()
}

// warn says once that the chain grows faster than can be followed; b.mu is held.
func (b *budget) warn() {
	needed := b.need.daily(b.daily, time.Now())
	if b.outgrown || needed <= float64(b.daily) {
		return
	}
	b.outgrown = true
	b.logger.Warn("the chain grows faster than the calls of a day can follow", "calls_a_day", b.daily, "needed", int(needed))
}

// cost takes in how many calls some blocks took.
func (b *budget) cost(blocks, calls int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.need.cost(blocks, calls)
}
