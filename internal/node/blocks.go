package node

import (
	"context"
	"slices"
	"sync"

	"gapless/internal/chain"
)

// Blocks fetches whole blocks, with receipts and uncles. Results are in the
// order of the numbers. A block that one endpoint fails to give, or not for longer
// than usual, is asked of the others that have it, and one that failed before
// first of another endpoint.
// What comes from another endpoint than the leader must have the hash that the
// leader tells. Instead of results it returns an error for which no block is to
// blame: of class EndpointDown or EndpointRefuses, RateLimited if the node asks
// to wait for longer than a minute or than ctx lasts, or [context.Cause] of ctx.
// It is of class TooLarge if the blocks take more than so many bytes of JSON; 0
// is for as many as there are.
func (n *Node) Blocks(ctx context.Context, numbers []uint64, most int64) ([]chain.Result, error) {
	const rounds = 5 // while endpoints limit us in turn
	g := n.gather(numbers, allow(most))
	for range rounds {
		if err := g.round(ctx); err != nil {
			return nil, err
		}
		if !g.unanswered() || !shortPause(g.failed) {
			break
		}
		clear(g.away)
	}
	return g.outcome()
}

// A gathering is a call of Blocks.
type gathering struct {
	node    *Node
	within  *allowance
	results []chain.Result
	tried   []map[*endpoint]bool // by result
	asking  map[*endpoint]bool   // endpoints that are asked just now
	away    map[*endpoint]bool   // endpoints that fail
	failed  error                // of those
}

func (n *Node) gather(numbers []uint64, within *allowance) *gathering {
	g := &gathering{
		node: n, within: within, results: make([]chain.Result, len(numbers)),
		tried:  make([]map[*endpoint]bool, len(numbers)),
		asking: make(map[*endpoint]bool), away: make(map[*endpoint]bool),
	}
	for i, number := range numbers {
		g.results[i].Number, g.tried[i] = number, make(map[*endpoint]bool)
	}
	return g
}

// round asks endpoints until there is none left to ask for what is missing. Its
// error is not an endpoint's.
func (g *gathering) round(ctx context.Context) error {
	g.failed = nil
	for {
		e, which := g.next()
		if e == nil {
			return nil
		}
		if err := g.ask(ctx, e, which); err != nil {
			return err
		}
	}
}

// next gives an endpoint and the results that it is to be asked for; nil if
// nothing is left to ask for.
func (g *gathering) next() (next *endpoint, which []int) {
	order := g.node.ranked()
	ranks := make(map[*endpoint]rank, len(order))
	for _, e := range order {
		ranks[e] = g.node.rank(e)
	}
	for i := range g.results {
		e := g.choose(i, order, ranks)
		if e == nil {
			continue
		}
		if next == nil {
			next = e
		}
		if e == next {
			which = append(which, i)
		}
	}
	return next, which
}

// choose gives the endpoint to ask for one result. The one that failed to give
// it the last time is asked last. A second opinion is not worth to wait for.
func (g *gathering) choose(i int, order []*endpoint, ranks map[*endpoint]rank) (last *endpoint) {
	r := &g.results[i]
	if r.Block != nil {
		return nil
	}
	failedAt := g.node.memory.failedAt(r.Number)
	for at, e := range order {
		switch {
		case g.away[e] || g.asking[e] || g.tried[i][e] || !e.has(r.Number, at == 0):
		case r.Err != nil && ranks[e] >= limited:
		case e == failedAt || ranks[e] >= limited:
			if last == nil {
				last = e
			}
		default:
			return e
		}
	}
	return last
}

// A reply is what one endpoint gave for some of the results.
type reply struct {
	endpoint *endpoint
	which    []int
	results  []chain.Result
	failing  *endpoint // the leader, if it failed to tell what to compare with
	err      error
}

// ask asks one endpoint for some of the results. While that gives nothing for
// longer than usual, others are asked beside it. Its error is not an endpoint's.
func (g *gathering) ask(ctx context.Context, first *endpoint, which []int) error {
	within, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	defer clear(g.asking)
	replies, hushed := make(chan reply), make(chan struct{}, 1)
	begin := func(e *endpoint, which []int) {
		g.asking[e] = true
		lead, numbers := g.leader(), g.numbers(which)
		hush := func() {
			select {
			case hushed <- struct{}{}:
			default:
			}
		}
		workers.Go(func() {
			r := g.fetch(within, e, lead, numbers, hush)
			r.which = which
			select {
			case replies <- r:
			case <-within.Done():
			}
		})
	}
	for begin(first, which); len(g.asking) > 0; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-hushed:
			if e, some := g.next(); e != nil {
				begin(e, some)
			}
		case r := <-replies:
			if err := g.took(ctx, r); err != nil || g.complete() {
				return err
			}
		}
	}
	return nil
}

// leader gives the endpoint to compare with; nil if it fails.
func (g *gathering) leader() *endpoint {
	if lead, _ := g.node.leader(); !g.away[lead] {
		return lead
	}
	return nil
}

func (g *gathering) numbers(which []int) []uint64 {
	numbers := make([]uint64, len(which))
	for j, i := range which {
		numbers[j] = g.results[i].Number
	}
	return numbers
}

// complete reports whether all blocks are there.
func (g *gathering) complete() bool {
	return !slices.ContainsFunc(g.results, func(r chain.Result) bool { return r.Block == nil })
}

// took takes a reply. Its error is not an endpoint's.
func (g *gathering) took(ctx context.Context, r reply) error {
	delete(g.asking, r.endpoint)
	if r.failing != nil {
		g.away[r.failing] = true
	}
	switch {
	case r.err == nil:
		for j, i := range r.which {
			g.take(r.endpoint, i, r.results[j])
		}
	case ctx.Err() != nil || !ofEndpoint(r.err):
		return r.err
	default:
		g.away[r.endpoint] = true
		g.failed = worse(g.failed, r.err)
	}
	return nil
}

// take takes one endpoint's result.
func (g *gathering) take(e *endpoint, i int, r chain.Result) {
	g.tried[i][e] = true
	several := len(g.node.endpoints()) > 1
	if g.results[i].Block != nil {
		return // another endpoint was quicker
	}
	if r.Err == nil {
		g.results[i] = r
		if several {
			g.node.memory.gave(r.Number, e)
		}
		return
	}
	if several {
		g.node.memory.failed(r.Number, e)
		if chain.ClassOf(r.Err) == chain.Invalid {
			g.node.wrong(e, r.Number)
		}
	}
	if before := g.results[i].Err; before == nil || chain.ClassOf(before) == chain.Pruned {
		g.results[i].Err = r.Err // what is not pruned everywhere may be had
	}
}

// fetch asks the endpoint for blocks, and refuses those that differ from the
// leader's.
func (g *gathering) fetch(ctx context.Context, e, lead *endpoint, numbers []uint64, hush func()) reply {
	r := reply{endpoint: e}
	if r.err = g.node.admit(ctx, e); r.err != nil {
		return r
	}
	if r.results, r.err = e.blocks(ctx, numbers, g.within, hush); r.err != nil {
		return r
	}
	e.learnRange(ctx, r.results)
	if lead != nil && lead != e {
		r.failing, r.err = g.node.compareBlocks(ctx, lead, e, r.results)
	}
	return r
}

// compareBlocks refuses blocks that differ from the leader's, if it answers as
// quickly as usual. It gives the leader if that fails. Its error is the end of
// ctx.
func (n *Node) compareBlocks(ctx context.Context, lead, e *endpoint, results []chain.Result) (failing *endpoint, err error) {
	within, cancel := context.WithTimeout(ctx, 2*lead.silence.light.patience(lead.timeout))
	defer cancel()
	if lead.rank() > trailing || n.admit(within, lead) != nil {
		return nil, nil
	}
	var blocks []*chain.Result
	var numbers []uint64
	for i := range results {
		if r := &results[i]; r.Err == nil && lead.has(r.Number, true) {
			blocks, numbers = append(blocks, r), append(numbers, r.Number)
		}
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	headers, _, err := lead.headers(within, numbers, lead.priority(numbers))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case within.Err() != nil:
		return nil, nil // nothing to compare with for now
	case err != nil:
		return lead, nil
	}
	for i, h := range headers {
		if r := blocks[i]; h != nil && !n.compare(lead, e, h, &r.Block.Header) {
			r.Err = errorf(chain.Race, "%s: block %s, which is %s for %s", e.label, r.Block.Hash, h.Hash, lead.label)
			r.Block = nil
		}
	}
	return nil, nil
}

// unanswered reports whether there is a block for which no endpoint answered.
func (g *gathering) unanswered() bool {
	for i := range g.results {
		if r := &g.results[i]; r.Block == nil && r.Err == nil {
			return true
		}
	}
	return false
}

// outcome gives the results. What no endpoint has is pruned.
func (g *gathering) outcome() ([]chain.Result, error) {
	switch {
	case g.within.exceeded():
		return nil, errorf(chain.TooLarge, "%w", errAllowance)
	case g.failed != nil && g.unanswered():
		return nil, g.failed
	}
	for i := range g.results {
		if r := &g.results[i]; r.Block == nil && r.Err == nil {
			r.Err = errorf(chain.Pruned, "block %d is below what is kept", r.Number)
		}
	}
	return g.results, nil
}
