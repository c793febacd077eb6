package jsonrpc

import (
	"context"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// chainMethods are those of namespace eth that are about the chain as a whole.
type chainMethods struct {
	file   *file
	behind func() (head uint64, ok bool) // nil: nobody follows
}

// ChainId is the chain's id (EIP-695).
func (m *chainMethods) ChainId(ctx context.Context) (hexutil.Uint64, error) {
	id, err := m.file.reader.Identity(ctx)
	return hexutil.Uint64(id.ChainID), err
}

// Accounts are none: an index holds no keys.
func (m *chainMethods) Accounts() []string { return []string{} }

// Coinbase is the account that the client pays for its blocks, where it says so.
// Of those clients it is the default, which the file does not tell otherwise.
func (m *chainMethods) Coinbase(ctx context.Context) (result *common.Address, err error) {
	err = m.file.look(ctx, func(v *view) error {
		manner, err := v.manner()
		if err == nil && manner.coinbase == nil {
			err = &Error{Code: codeNoMethod, Message: "the method eth_coinbase does not exist/is not available"}
		}
		if err == nil {
			result = manner.coinbase
		}
		return err
	})
	return result, err
}

// syncing is what Syncing answers while the index is behind.
type syncing struct {
	Starting hexutil.Uint64 `json:"startingBlock"`
	Current  hexutil.Uint64 `json:"currentBlock"`
	Highest  hexutil.Uint64 `json:"highestBlock"`
}

// farBehind is how many blocks make a difference worth telling.
const farBehind = 16

// Syncing tells how far the index is while it is far behind the node, else
// false.
func (m *chainMethods) Syncing(ctx context.Context) (any, error) {
	if m.behind == nil {
		return false, nil
	}
	head, ok := m.behind()
	if !ok {
		return false, nil
	}
	var s syncing
	err := m.file.look(ctx, func(v *view) error {
		start, err := v.Start()
		if err != nil {
			return err
		}
		latest, err := v.latest()
		if err == errEmpty {
			latest, err = start, nil
		}
		s = syncing{hexutil.Uint64(start), hexutil.Uint64(latest), hexutil.Uint64(head)}
		return err
	})
	if err != nil || uint64(s.Current)+farBehind > head {
		return false, err
	}
	return s, nil
}

// gaplessMethods are those of namespace gapless.
type gaplessMethods struct{ file *file }

// Missing gives the missing blocks from a number to another as ranges; of the
// whole file without them.
func (m *gaplessMethods) Missing(ctx context.Context, from, to *rpc.BlockNumber) (result *Missing, err error) {
	err = m.file.look(ctx, func(v *view) error {
		first, last := uint64(0), uint64(math.MaxInt64)
		if from != nil {
			if first, err = v.number(*from); err != nil {
				return err
			}
		}
		if to != nil {
			if last, err = v.number(*to); err != nil {
				return err
			}
		}
		ranges, more, err := v.View.Missing(first, min(last, v.limit), mostRanges)
		result = newMissing(ranges, more)
		return err
	})
	return result, err
}
