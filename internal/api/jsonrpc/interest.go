package jsonrpc

import (
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// An interest is what a client wants to hear of; it is a listener. head encodes
// a block that comes on top, or is nil where the interest is in logs.
type interest struct {
	out  *outbox
	head func(*chain.Header) answer
	logs Criteria
}

func (i *interest) hear(n *news) {
	if i.head != nil {
		for _, h := range n.heads {
			i.out.put(i.head(h))
		}
		return
	}
	if n.lost {
		i.out.miss()
		return
	}
	i.put(n.removed, true)
	i.put(n.logs, false)
}

func (i *interest) put(logs []*store.FoundLog, removed bool) {
	for _, l := range logs {
		if i.logs.matches(l.At.Block.Number, &l.Log) {
			at := l.At
			at.Removed = removed
			i.out.put(l.AppendLog(nil, &at))
		}
	}
}

// newLogs makes an interest in logs.
func newLogs(f *view, c Criteria) (*interest, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	start, err := f.Start()
	if err != nil {
		return nil, err
	}
	from, to := bound(c.FromBlock), bound(c.ToBlock)
	for _, at := range []*rpc.BlockNumber{&from, &to} {
		if *at == rpc.EarliestBlockNumber {
			*at = rpc.BlockNumber(start)
		}
	}
	switch {
	case from == rpc.PendingBlockNumber || to == rpc.PendingBlockNumber:
		return nil, errPendingLogs
	case from >= 0 && uint64(from) < start:
		return nil, errPruned
	case from >= 0 && to >= 0 && from > to:
		return nil, errRange
	}
	return &interest{out: newOutbox(), logs: c}, nil
}
