package node

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// Head asks for the header of the latest block. Like all headers, it is that of
// the leader: the first-listed endpoint that is well and not behind the others.
func (n *Node) Head(ctx context.Context) (*chain.Header, error) {
	h, err := n.Tag(ctx, "latest")
	if err == nil {
		n.learnPace(ctx, h)
	}
	return h, err
}

// Tag asks for the header that the node calls by a tag, as "finalized" or
// "safe". A node that has none answers an error or null, which is a
// [*chain.Error].
func (n *Node) Tag(ctx context.Context, tag string) (h *chain.Header, err error) {
	err = n.use(ctx, func(e *endpoint) error {
		h, err = e.headerOf(ctx, tag)
		return err
	})
	return h, err
}

// headerOf asks for the header of a tag or a number in hex.
func (e *endpoint) headerOf(ctx context.Context, name string) (*chain.Header, error) {
	c := newCall("eth_getBlockByNumber", name, false).of(atHead)
	if name == "latest" {
		c.of(leading)
	}
	if err := e.do(ctx, []*call{c}, 1); err != nil {
		return nil, err
	}
	h, err := e.decodeHeader(c)
	if err == nil && name == "latest" {
		e.sawHead(h.Number)
	}
	return h, err
}

// Headers asks for the headers of many numbers. An entry is nil where the node
// has no such block. If some can't be had, it gives the others with the error of
// the first one, whose class is of a block.
func (n *Node) Headers(ctx context.Context, numbers []uint64) ([]*chain.Header, error) {
	var headers []*chain.Header
	err := n.use(ctx, func(e *endpoint) error {
		var failed []error
		var err error
		headers, failed, err = e.headers(ctx, numbers, atHead)
		for _, f := range failed {
			if err == nil && f != nil && chain.ClassOf(f) != chain.NotYet {
				return f
			}
		}
		return err
	})
	return headers, err
}

// headers asks for many headers, and gives each or what is wrong with it.
func (e *endpoint) headers(ctx context.Context, numbers []uint64, p priority) ([]*chain.Header, []error, error) {
	calls := make([]*call, len(numbers))
	for i, number := range numbers {
		calls[i] = newCall("eth_getBlockByNumber", hex(number), false).of(p).about(number)
	}
	if err := e.do(ctx, calls, 1); err != nil {
		return nil, nil, err
	}
	headers, failed := make([]*chain.Header, len(numbers)), make([]error, len(numbers))
	for i, c := range calls {
		h, err := e.decodeHeader(c)
		if err == nil && h.Number != numbers[i] {
			err = errorf(chain.Invalid, "%s: asked for header %d, got %d", e.label, numbers[i], h.Number)
		}
		if err != nil {
			failed[i] = err
			continue
		}
		headers[i] = h
	}
	return headers, failed, nil
}

// Holds asks whether a block is known by its hash: to the leader, or else to any
// other endpoint that is well.
func (n *Node) Holds(ctx context.Context, hash common.Hash) (held bool, err error) {
	err = n.use(ctx, func(e *endpoint) (err error) {
		held, err = e.holds(ctx, hash)
		return err
	})
	if err != nil || held {
		return held, err
	}
	for _, e := range n.endpoints() {
		if len(n.endpoints()) == 1 || e.rank() > trailing || n.admit(ctx, e) != nil {
			continue
		}
		if held, err := e.holds(ctx, hash); err == nil && held {
			return true, nil
		}
	}
	return false, ctx.Err()
}

func (e *endpoint) holds(ctx context.Context, hash common.Hash) (bool, error) {
	c := newCall("eth_getBlockByHash", hash, false).of(atHead)
	if err := e.do(ctx, []*call{c}, 1); err != nil {
		return false, err
	}
	_, err := e.decodeHeader(c)
	if chain.ClassOf(err) == chain.NotYet {
		return false, nil
	}
	return err == nil, err
}

// Syncing asks the leader whether it is catching up itself. One that does not
// know the question is not. It may say so for minutes while it is at its head.
func (n *Node) Syncing(ctx context.Context) (syncing bool, err error) {
	err = n.use(ctx, func(e *endpoint) error {
		c := newCall("eth_syncing").of(atHead)
		if err := e.do(ctx, []*call{c}, 1); err != nil {
			return err
		}
		switch {
		case c.err == nil:
			syncing = string(c.raw) != "false"
		case !chain.ClassOf(c.err).OfBlock():
			return c.err
		}
		return nil
	})
	return syncing, err
}

// decodeHeader decodes the answer to a call for a header.
func (e *endpoint) decodeHeader(c *call) (*chain.Header, error) {
	if c.err != nil {
		return nil, c.err
	}
	h, err := chain.DecodeHeader(c.raw)
	if err != nil {
		return nil, e.named(e.redacted(err))
	}
	return h, nil
}

// redacted gives a decoder's error, which may quote the node, without secrets.
func (e *endpoint) redacted(err error) error {
	return &chain.Error{Class: chain.ClassOf(err), Err: e.secrets.error(err)}
}
