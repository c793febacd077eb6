package jsonrpc

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// feeMethods are those of namespace eth that suggest fees from what was paid.
type feeMethods struct {
	file *file

	mu        sync.Mutex // guards what follows
	head      common.Hash
	suggested *uint256.Int // the tip at that head
}

// How geth's gas price oracle samples, with its defaults.
const (
	sampleBlocks     = 20 // and up to twice as many where they have little in them
	samplesPerBlock  = 3
	samplePercentile = 60
	defaultTip       = 1_000_000       // wei; what geth starts from, and an empty chain gives
	ignoredTip       = 2               // wei; lower ones are not looked at
	mostTip          = 500_000_000_000 // wei
)

// MaxPriorityFeePerGas suggests a tip: the 60th percentile of the lowest tips in
// the last blocks.
func (m *feeMethods) MaxPriorityFeePerGas(ctx context.Context) (result *hexutil.U256, err error) {
	err = m.file.look(ctx, func(v *view) error {
		_, tip, err := m.tip(v)
		result = (*hexutil.U256)(tip)
		return err
	})
	return result, err
}

// GasPrice suggests a gas price: the tip on top of a base fee, in the client's
// manner.
func (m *feeMethods) GasPrice(ctx context.Context) (result *hexutil.U256, err error) {
	err = m.file.look(ctx, func(v *view) error {
		price, err := m.gasPrice(v)
		result = (*hexutil.U256)(price)
		return err
	})
	return result, err
}

func (m *feeMethods) gasPrice(v *view) (*uint256.Int, error) {
	manner, err := v.manner()
	if err != nil {
		return nil, err
	}
	if manner.gasPrice > 0 {
		return uint256.NewInt(manner.gasPrice), nil
	}
	head, tip, err := m.tip(v)
	if err != nil {
		return nil, err
	}
	fee := head.BaseFeePerGas
	if manner.tip > 0 {
		fee, err = v.baseFeeAfter(head.Number)
	}
	if err == nil && fee != nil {
		tip.Add(tip, fee)
	}
	return tip, err
}

// tip suggests a tip, which is kept while the head stays.
func (m *feeMethods) tip(v *view) (head *chain.Block, tip *uint256.Int, err error) {
	latest, err := v.latest()
	if err != nil {
		return nil, nil, err
	}
	if head, _, err = v.Header(latest); err != nil {
		return nil, nil, err
	}
	manner, err := v.manner()
	if err != nil {
		return nil, nil, err
	}
	if manner.tip > 0 {
		return head, uint256.NewInt(manner.tip), nil
	}
	m.mu.Lock()
	known, tip := m.head == head.Hash, m.suggested
	m.mu.Unlock()
	if !known {
		if tip, err = v.suggestTip(latest); err != nil {
			return nil, nil, err
		}
		m.mu.Lock()
		m.head, m.suggested = head.Hash, tip
		m.mu.Unlock()
	}
	return head, tip.Clone(), nil
}

// suggestTip samples the last blocks, as far down as the file goes.
func (v *view) suggestTip(latest uint64) (*uint256.Int, error) {
	start, err := v.Start()
	if err != nil {
		return nil, err
	}
	var tips []*uint256.Int
	number, left := latest, sampleBlocks
	for left > 0 && number > 0 && number >= start {
		b, err := v.wanted(number, store.PartTransactions)
		if err != nil {
			return nil, err
		}
		found := lowestTips(b)
		if len(found) == 0 {
			found = []*uint256.Int{uint256.NewInt(defaultTip)}
		}
		number--
		left--
		if len(found) == 1 && len(tips)+1+left < 2*sampleBlocks {
			left++ // one more block instead
		}
		tips = append(tips, found...)
	}
	return percentile(tips), nil
}

func percentile(tips []*uint256.Int) *uint256.Int {
	if len(tips) == 0 {
		return uint256.NewInt(defaultTip)
	}
	slices.SortFunc(tips, (*uint256.Int).Cmp)
	tip := tips[(len(tips)-1)*samplePercentile/100]
	if most := uint256.NewInt(mostTip); tip.Gt(most) {
		tip = most
	}
	return tip.Clone()
}

// lowestTips gives the lowest tips in a block, but for those of its miner.
func lowestTips(b *chain.Block) (tips []*uint256.Int) {
	for _, t := range paid(b) {
		if t.tip.Sign() < 0 || t.tip.LtUint64(ignoredTip) || t.from == b.Miner {
			continue
		}
		if tips = append(tips, t.tip); len(tips) == samplesPerBlock {
			break
		}
	}
	return tips
}

// wanted gives a part of a block that must be there.
func (v *view) wanted(number uint64, part store.Part) (*chain.Block, error) {
	b, err := v.Block(number, part)
	if errors.Is(err, store.ErrNotFound) {
		if err = v.absent(number); err == nil {
			err = serverf("block %d is not stored", number)
		}
	}
	return b, err
}

// BaseFee is the base fee per gas of the block after the latest.
func (m *feeMethods) BaseFee(ctx context.Context) (result *hexutil.U256, err error) {
	err = m.file.look(ctx, func(v *view) error {
		latest, err := v.latest()
		if err != nil {
			return err
		}
		fee, err := v.nextBaseFee(latest)
		result = (*hexutil.U256)(fee)
		return err
	})
	return result, err
}

// BlobBaseFee is the base fee per blob gas of the latest block; null before
// EIP-4844.
func (m *feeMethods) BlobBaseFee(ctx context.Context) (result *hexutil.U256, err error) {
	err = m.file.look(ctx, func(v *view) error {
		latest, err := v.latest()
		if err != nil {
			return err
		}
		b, err := v.wanted(latest, store.PartTransactions)
		if err != nil || b.ExcessBlobGas == nil {
			return err
		}
		schedules, err := v.blobSchedules(b)
		if err != nil {
			return err
		}
		fee, err := schedules.baseFee(b)
		result = (*hexutil.U256)(fee)
		return err
	})
	return result, err
}
