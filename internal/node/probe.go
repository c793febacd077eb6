package node

import (
	"context"
	"errors"

	"gapless/internal/chain"
)

// probe asks for the block number, to see whether the endpoint answers.
func (e *endpoint) probe(ctx context.Context) error {
	c := newCall("eth_blockNumber")
	if err := e.exchange(ctx, []*call{c}, true, new(meter)); err != nil {
		return err
	}
	return c.err
}

// stumbled reports whether an answer was spoiled in a way that may be chance: a
// body that ends too early, a proxy's error. It is no reason to ask for less, or
// to take the endpoint for one that is down, unless it happens again at once.
func stumbled(err error) bool {
	return chain.ClassOf(err) == chain.EndpointDown && !errors.Is(err, errSilent) && !errors.Is(err, errSlept)
}
