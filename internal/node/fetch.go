package node

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"gapless/internal/chain"
)

// blocks fetches whole blocks from one endpoint. Its error is the endpoint's, or
// that they take more than they may. hush is called when the endpoint gives
// nothing for longer than usual.
func (e *endpoint) blocks(ctx context.Context, numbers []uint64, within *allowance, hush func()) ([]chain.Result, error) {
	fetches := make([]*fetch, len(numbers))
	goes := e.priority(numbers)
	for i, number := range numbers {
		fetches[i] = &fetch{number: number, within: within, goes: goes, hush: hush}
	}
	for _, step := range []func(context.Context, []*fetch) error{
		e.fetchBlocks, e.fetchByTransaction, e.addReceipts, e.addUncles,
	} {
		if err := step(ctx, fetches); err != nil {
			return nil, err
		}
	}
	results, calls := make([]chain.Result, len(fetches)), 0
	for i, f := range fetches {
		calls += f.calls
		results[i] = chain.Result{Number: f.number, Block: f.block, Err: f.err, Bytes: f.bytes}
		if f.err != nil {
			results[i].Block = nil
		}
	}
	e.budget.cost(len(results), calls)
	return results, nil
}

// priority is that of calls for blocks, by the lowest of them.
func (e *endpoint) priority(numbers []uint64) priority {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.headAt.IsZero() && slices.Min(numbers)+nearHead > e.state.Head {
		return atHead
	}
	return filling
}

// A fetch is a block on its way. What a node answers is let go of as soon as it
// is decoded: it takes more than the block.
type fetch struct {
	number   uint64
	within   *allowance      // of its calls
	goes     priority        // of its calls
	hush     func()          // called when the endpoint gives nothing for long
	calls    int             // that it has taken
	block    *chain.Block    // decoded
	receipts json.RawMessage // not yet decoded
	bytes    int             // of JSON so far
	missing  bool            // the receipts: the node does not know eth_getBlockReceipts
	err      error           // the fetch has ended
}

// call makes a call for the fetch.
func (f *fetch) call(method string, params ...any) *call {
	f.calls++
	c := newCall(method, params...).of(f.goes).about(f.number)
	c.within, c.whole, c.hush = f.within, true, f.hush
	return c
}

// fail ends a fetch. An endpoint whose answer about one block does not end is not
// to lead while there is another.
func (f *fetch) fail(e *endpoint, err error) {
	if errors.Is(err, errEndless) && e.elsewhere() {
		e.wasWrong(time.Now(), f.number)
	}
	if _, ours := err.(*chain.Error); !ours {
		err = &chain.Error{Class: chain.ClassOf(err), Err: err}
	}
	f.err = blockError(e.redacted(err))
}

// decode decodes the block, without receipts.
func (f *fetch) decode(e *endpoint, raw json.RawMessage) {
	f.bytes = len(raw)
	b, err := chain.DecodeBlock(raw)
	if err == nil && b.Number != f.number {
		err = errorf(chain.Invalid, "asked for block %d, got %d", f.number, b.Number)
	}
	if err != nil {
		f.fail(e, e.named(err))
		return
	}
	f.block = b
}

// fetchBlocks asks for blocks, and in the same batch for their receipts unless
// the endpoint is known not to give those.
func (e *endpoint) fetchBlocks(ctx context.Context, fetches []*fetch) error {
	group := 2
	if e.receiptsByTransaction() {
		group = 1
	}
	calls := make([]*call, 0, group*len(fetches))
	for _, f := range fetches {
		calls = append(calls, f.call("eth_getBlockByNumber", hex(f.number), true))
		if group == 2 {
			calls = append(calls, f.call("eth_getBlockReceipts", hex(f.number)))
		}
	}
	if err := e.do(ctx, calls, group); err != nil {
		return err
	}
	for i, f := range fetches {
		f.begin(e, calls[group*i:group*(i+1)])
	}
	return nil
}

// begin takes the answers for a block and, if they were asked for, its
// receipts.
func (f *fetch) begin(e *endpoint, calls []*call) {
	if calls[0].err != nil {
		f.fail(e, calls[0].err)
		return
	}
	f.decode(e, calls[0].raw)
	calls[0].raw = nil
	switch {
	case f.err != nil:
	case len(calls) == 1:
		f.missing = true
	case unsupported(calls[1].err):
		e.useTransactionReceipts()
		f.missing = true
	case calls[1].err != nil:
		f.fail(e, calls[1].err)
	default:
		f.takeReceipts(calls[1].raw)
		calls[1].raw = nil
	}
}

func (f *fetch) takeReceipts(raw json.RawMessage) {
	f.receipts = raw
	f.bytes += len(raw)
}
