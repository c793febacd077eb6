package jsonrpc

import (
	"context"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// An interest is what a client wants to hear of; it is a listener. One of none of
// the kinds is silent.
type interest struct {
	out    *outbox
	head   func(*chain.Header) answer // encodes a block that comes on top; nil: not wanted
	filled bool                       // head also encodes blocks of filled gaps
	logs   *Criteria
	// expand, if set, makes of a head what the client is sent, nil for nothing,
	// instead: reading takes time, which hearing has not.
	expand func(ctx context.Context, h *chain.Header) (answer, error)
}

// silent is an interest in transactions that wait for a block, of which an index
// has none.
func silent() *interest { return &interest{out: newOutbox()} }

// mayBeLarge reports whether what the client is sent may take much more than a
// header.
func (i *interest) mayBeLarge() bool { return i.logs != nil || i.expand != nil }

// size is about how many bytes the interest takes of memory, without news.
func (i *interest) size() int64 {
	const rest = 8 << 10
	if i.logs == nil {
		return rest // or so, for a few hashes
	}
	bytes := rest + len(i.logs.Addresses)*common.AddressLength
	for _, topics := range i.logs.Topics {
		bytes += len(topics) * common.HashLength
	}
	return int64(bytes)
}

func (i *interest) hear(n *news) {
	if i.head != nil || i.expand != nil {
		i.putHeads(n)
	}
	if i.logs == nil {
		return
	}
	if n.lost {
		i.out.miss()
		return
	}
	i.put(n.removed, true)
	i.put(n.logs, false)
}

func (i *interest) putHeads(n *news) {
	if i.filled {
		for _, h := range n.filled {
			i.out.put(item{head: h})
		}
	}
	for _, h := range n.heads {
		i.out.put(item{head: h})
	}
}

func (i *interest) put(logs []*store.FoundLog, removed bool) {
	var items []item
	for _, l := range logs {
		if i.logs.matches(l.At.Block.Number, &l.Log) {
			items = append(items, item{log: l, removed: removed})
		}
	}
	i.out.put(items...)
}

// encode makes of an item what the client is sent; nil for nothing.
func (i *interest) encode(ctx context.Context, one item) (answer, error) {
	switch {
	case one.log != nil:
		at := one.log.At
		at.Removed = one.removed
		return one.log.AppendLog(nil, &at), nil
	case i.expand != nil:
		return i.expand(ctx, one.head)
	}
	return i.head(one.head), nil
}

// newLogs makes an interest in logs.
func newLogs(v *view, c Criteria) (*interest, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.checkRange(v); err != nil {
		return nil, err
	}
	return &interest{out: newOutbox(), logs: &c}, nil
}

// checkRange refuses a range that no log can be in, as far as the client does.
func (c *Criteria) checkRange(v *view) error {
	m, err := v.manner()
	if err != nil {
		return err
	}
	r, err := c.ends(m)
	if err != nil {
		return err
	}
	start, err := v.Start()
	if err != nil {
		return err
	}
	for _, at := range []*rpc.BlockNumber{&r.from, &r.to} {
		if *at == rpc.EarliestBlockNumber {
			*at = rpc.BlockNumber(start)
		}
	}
	switch {
	case r.from < 0:
		return nil
	case uint64(r.from) < start:
		return errPruned
	case m.newFilter == nil:
		return nil
	}
	latest, err := v.latest()
	if err != nil && err != errEmpty {
		return err
	}
	if r.to < 0 {
		r.to = math.MaxInt64
	}
	return m.newFilter(uint64(r.from), uint64(r.to), latest)
}
