package node

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// Identity asks which chain the node is on.
func (n *Node) Identity(ctx context.Context) (chain.Identity, error) {
	identity := chain.Identity{Loopback: n.loopback()}
	err := n.use(ctx, func(e *endpoint) error {
		id, genesis, client := newCall("eth_chainId"), newCall("eth_getBlockByNumber", "0x0", false), newCall("web3_clientVersion")
		if err := e.do(ctx, []*call{id, genesis, client}, 1); err != nil {
			return err
		}
		if id.err != nil {
			return id.err
		}
		var err error
		if identity.ChainID, err = parseChainID(id.raw); err != nil {
			return errorf(chain.Invalid, "%s: %w", e.label, err)
		}
		if genesis.err == nil {
			identity.Genesis, _ = chain.DecodeHeader(genesis.raw) // nil for a null and for nonsense
		}
		if client.err == nil {
			_ = json.Unmarshal(client.raw, &identity.Client) // stays empty
		}
		return nil
	})
	return identity, err
}

// parseChainID reads a quantity; some nodes give a number.
func parseChainID(raw json.RawMessage) (uint64, error) {
	return strconv.ParseUint(strings.Trim(string(raw), `"`), 0, 64)
}

// Head asks for the header of the latest block.
func (n *Node) Head(ctx context.Context) (*chain.Header, error) { return n.Tag(ctx, "latest") }

// Tag asks for the header that the node calls by a tag, as "finalized" or
// "safe". A node that has none answers an error or null, which is a
// [*chain.Error].
func (n *Node) Tag(ctx context.Context, tag string) (h *chain.Header, err error) {
	err = n.use(ctx, func(e *endpoint) error {
		c := newCall("eth_getBlockByNumber", tag, false)
		if err := e.do(ctx, []*call{c}, 1); err != nil {
			return err
		}
		h, err = e.decodeHeader(c)
		return err
	})
	return h, err
}

// Headers asks for the headers of many numbers. An entry is nil where the node
// has no such block.
func (n *Node) Headers(ctx context.Context, numbers []uint64) ([]*chain.Header, error) {
	var headers []*chain.Header
	err := n.use(ctx, func(e *endpoint) error {
		headers = make([]*chain.Header, len(numbers))
		calls := make([]*call, len(numbers))
		for i, number := range numbers {
			calls[i] = newCall("eth_getBlockByNumber", hex(number), false)
		}
		if err := e.do(ctx, calls, 1); err != nil {
			return err
		}
		for i, c := range calls {
			h, err := e.decodeHeader(c)
			if err == nil && h.Number != numbers[i] {
				err = errorf(chain.Invalid, "%s: asked for header %d, got %d", e.label, numbers[i], h.Number)
			}
			if err != nil && chain.ClassOf(err) != chain.NotYet {
				return err
			}
			headers[i] = h
		}
		return nil
	})
	return headers, err
}

// HeaderByHash asks for the header of a hash. It is nil if the node does not
// know it.
func (n *Node) HeaderByHash(ctx context.Context, hash common.Hash) (h *chain.Header, err error) {
	err = n.use(ctx, func(e *endpoint) error {
		c := newCall("eth_getBlockByHash", hash, false)
		if err := e.do(ctx, []*call{c}, 1); err != nil {
			return err
		}
		h, err = e.decodeHeader(c)
		if chain.ClassOf(err) == chain.NotYet {
			h, err = nil, nil
		}
		return err
	})
	return h, err
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
