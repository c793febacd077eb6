package archive

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// wellKnown are the chains of which era1 archives are published, by genesis.
var wellKnown = map[common.Hash]uint64{
	common.HexToHash("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"): 1,        // Ethereum
	common.HexToHash("0x25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"): 11155111, // Sepolia
}

// identify works out of which chain the archives are: what the options say goes
// before what the archives do, and these must not contradict each other.
func (s *Source) identify(ctx context.Context, containers []container, o SourceOptions) error {
	known := origin{chainID: o.ChainID, genesis: o.Genesis}
	for _, c := range containers {
		if err := known.add(c.origin()); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	for _, find := range []func(context.Context, *origin) error{s.genesisOfBlocks, s.chainOfTransactions} {
		if err := find(ctx, &known); err != nil {
			return err
		}
	}
	s.forkedAt = known.fork
	s.id = chain.Identity{
		ChainID: *known.chainID, Genesis: &chain.Header{Hash: *known.genesis}, Client: known.client, Loopback: true,
	}
	return nil
}

// add takes over what is not known yet.
func (k *origin) add(o origin) error {
	switch {
	case k.chainID != nil && o.chainID != nil && *k.chainID != *o.chainID:
		return fmt.Errorf("it is of chain id %d, not %d", *o.chainID, *k.chainID)
	case k.genesis != nil && o.genesis != nil && *k.genesis != *o.genesis:
		return fmt.Errorf("the genesis of its chain is %s, not %s", *o.genesis, *k.genesis)
	}
	if o.chainID != nil {
		k.chainID = o.chainID
	}
	if o.genesis != nil {
		k.genesis = o.genesis
	}
	if k.client == "" {
		k.client = o.client
	}
	if k.fork == nil {
		k.fork = o.fork
	}
	return nil
}

// genesisOfBlocks takes the hash of block 0, or what block 1 names.
func (s *Source) genesisOfBlocks(ctx context.Context, known *origin) error {
	headers, err := s.Headers(ctx, []uint64{0, 1})
	if err != nil {
		return err
	}
	var found common.Hash
	switch {
	case headers[0] != nil:
		found = headers[0].Hash
	case headers[1] != nil:
		found = headers[1].ParentHash
	case known.genesis == nil:
		return fmt.Errorf("%w: there is no block 0, by whose hash a chain is known", ErrUnknownChain)
	default:
		return nil
	}
	if known.fork != nil { // its block 0 is the live chain's
		return known.add(origin{})
	}
	return known.add(origin{genesis: &found})
}

// chainOfTransactions takes the chain id of the first transaction that has one,
// unless the genesis says enough.
func (s *Source) chainOfTransactions(ctx context.Context, known *origin) error {
	if id, ok := wellKnown[*known.genesis]; ok && known.chainID == nil {
		known.chainID = &id
	}
	for _, l := range s.blocks {
		switch {
		case known.chainID != nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		b, _, err := s.read(l)
		if err != nil {
			return err
		}
		for i := range b.Transactions {
			if id := b.Transactions[i].ChainID; id != nil && id.IsUint64() && !id.Eq(new(uint256.Int)) {
				n := id.Uint64()
				known.chainID = &n
			}
		}
	}
	if known.chainID == nil {
		return fmt.Errorf("%w: no transaction has a chain id", ErrUnknownChain)
	}
	return nil
}
