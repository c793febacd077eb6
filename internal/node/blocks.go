package node

import (
	"context"

	"gapless/internal/chain"
)

// Blocks fetches whole blocks, with receipts and uncles. Results are in the
// order of the numbers. A block that one endpoint fails to give is asked of the
// others that have it, and one that failed before first of another endpoint.
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
	away    map[*endpoint]bool   // endpoints that fail
	failed  error                // of those
}

func (n *Node) gather(numbers []uint64, within *allowance) *gathering {
	g := &gathering{
		node: n, within: within, results: make([]chain.Result, len(numbers)),
		tried: make([]map[*endpoint]bool, len(numbers)), away: make(map[*endpoint]bool),
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
		err := g.ask(ctx, e, which)
		switch {
		case err == nil:
		case ctx.Err() != nil || !ofEndpoint(err):
			return err
		default:
			g.away[e] = true
			g.failed = worse(g.failed, err)
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
		case g.away[e] || g.tried[i][e] || !e.has(r.Number, at == 0):
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

// ask asks one endpoint for some of the results.
func (g *gathering) ask(ctx context.Context, e *endpoint, which []int) error {
	if err := g.node.admit(ctx, e); err != nil {
		return err
	}
	numbers := make([]uint64, len(which))
	for j, i := range which {
		numbers[j] = g.results[i].Number
	}
	results, err := e.blocks(ctx, numbers, g.within)
	if err != nil {
		return err
	}
	e.learnRange(ctx, results)
	if err := g.compare(ctx, e, results); err != nil {
		return err
	}
	for j, i := range which {
		g.take(e, i, results[j])
	}
	return nil
}

// take takes one endpoint's result.
func (g *gathering) take(e *endpoint, i int, r chain.Result) {
	g.tried[i][e] = true
	several := len(g.node.endpoints) > 1
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

// compare refuses blocks that differ from the leader's, if it answers. Its error
// is the end of ctx.
func (g *gathering) compare(ctx context.Context, e *endpoint, results []chain.Result) error {
	lead, _ := g.node.leader()
	if lead == e || g.away[lead] || lead.rank() > trailing || g.node.admit(ctx, lead) != nil {
		return nil
	}
	var blocks []*chain.Result
	var numbers []uint64
	for i := range results {
		if r := &results[i]; r.Err == nil && lead.has(r.Number, true) {
			blocks, numbers = append(blocks, r), append(numbers, r.Number)
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	headers, _, err := lead.headers(ctx, numbers, lead.priority(numbers))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		g.away[lead] = true // and nothing to compare with
		return nil
	}
	for i, h := range headers {
		if r := blocks[i]; h != nil && !g.node.compare(lead, e, h, &r.Block.Header) {
			r.Err = errorf(chain.Race, "%s: block %s, which is %s for %s", e.label, r.Block.Hash, h.Hash, lead.label)
			r.Block = nil
		}
	}
	return nil
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
	if g.failed != nil && g.unanswered() {
		return nil, g.failed
	}
	for i := range g.results {
		if r := &g.results[i]; r.Block == nil && r.Err == nil {
			r.Err = errorf(chain.Pruned, "block %d is below what is kept", r.Number)
		}
	}
	return g.results, nil
}
