package jsonrpc

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"gapless/internal/store"
)

// A feeHistory is the answer of eth_feeHistory.
type feeHistory struct {
	Oldest      hexutil.Uint64    `json:"oldestBlock"`
	Reward      [][]*hexutil.U256 `json:"reward,omitzero"`
	BaseFee     []*hexutil.U256   `json:"baseFeePerGas,omitempty"`
	GasUsed     []float64         `json:"gasUsedRatio"`
	BlobBaseFee []*hexutil.U256   `json:"baseFeePerBlobGas,omitempty"`
	BlobGasUsed []float64         `json:"blobGasUsedRatio,omitempty"`
}

// What one fee history may ask for, as geth has it.
const (
	mostHistory     = 1024
	mostPercentiles = 100
)

// FeeHistory tells of fees and of how full blocks were; of the fees for the
// block after them too.
func (m *feeMethods) FeeHistory(ctx context.Context, count hexOrDecimal, last rpc.BlockNumber, percentiles []float64) (*feeHistory, error) {
	if err := checkPercentiles(percentiles); err != nil {
		return nil, err
	}
	blocks, err := m.historyLength(ctx, uint64(count))
	if err != nil || blocks == 0 {
		return new(feeHistory), err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	var h *feeHistory
	err = again(func() error {
		h = new(feeHistory)
		return h.collect(ctx, m.file, blocks, last, percentiles)
	})
	if err != nil {
		return nil, timely(err)
	}
	return h, nil
}

// historyLength gives how many blocks are looked at, in the client's manner.
func (m *feeMethods) historyLength(ctx context.Context, count uint64) (blocks uint64, err error) {
	err = m.file.look(ctx, func(v *view) error {
		manner, err := v.manner()
		if err == nil && manner.feeCount != nil {
			count, err = manner.feeCount(count)
		}
		return err
	})
	return min(count, mostHistory), err
}

// historyChunk is how many blocks one view is for.
const historyChunk = 32

// collect adds all blocks, and what follows from the last.
func (h *feeHistory) collect(ctx context.Context, f *file, count uint64, last rpc.BlockNumber, percentiles []float64) error {
	var same chainMark
	var next, end uint64
	for done := false; !done && ctx.Err() == nil; {
		err := f.look(ctx, func(v *view) (err error) {
			if !same.set {
				if next, end, err = h.begin(v, count, last); err != nil {
					return err
				}
			}
			if err := same.check(v); err != nil {
				return err
			}
			for stop := min(end, next+historyChunk-1); next <= stop; next++ {
				if err := h.add(v, next, percentiles); err != nil {
					return err
				}
			}
			if done = next > end; !done {
				return nil
			}
			return h.finish(v, end)
		})
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// begin finds the range, none of which may be missing.
func (h *feeHistory) begin(v *view, count uint64, last rpc.BlockNumber) (first, end uint64, err error) {
	first, end, err = v.history(count, last)
	if err == nil {
		h.Oldest = hexutil.Uint64(first)
		err = v.whole(first, end)
	}
	return first, end, err
}

func checkPercentiles(percentiles []float64) error {
	if len(percentiles) > mostPercentiles {
		return serverf("invalid reward percentile: over the query limit %d", mostPercentiles)
	}
	for i, p := range percentiles {
		if p < 0 || p > 100 {
			return serverf("invalid reward percentile: %f", p)
		}
		if i > 0 && p <= percentiles[i-1] {
			return serverf("invalid reward percentile: #%d:%f >= #%d:%f", i-1, percentiles[i-1], i, p)
		}
	}
	return nil
}

// history gives the range of a fee history; it has no block if first is above
// end.
func (v *view) history(count uint64, last rpc.BlockNumber) (first, end uint64, err error) {
	m, err := v.manner()
	if err != nil {
		return 0, 0, err
	}
	latest, err := v.latest()
	if err != nil {
		return 0, 0, err
	}
	if last == rpc.PendingBlockNumber && m.feesLatest {
		last = rpc.LatestBlockNumber
	}
	if end, err = v.number(last); err != nil {
		return 0, 0, err
	}
	first = end + 1 - min(count, end+1)
	if end > latest {
		if err := v.whole(latest+1, end); err != nil {
			return 0, 0, err
		}
		if m.feesPast != nil {
			return 0, 0, m.feesPast(end, latest)
		}
		end = latest
	}
	start, err := v.Start()
	if err == nil && first < start {
		err = errPruned
	}
	return first, end, err
}

// add adds a block.
func (h *feeHistory) add(v *view, number uint64, percentiles []float64) error {
	b, _, err := v.Header(number)
	if err == nil && (len(percentiles) > 0 || b.BlobGasUsed != nil && *b.BlobGasUsed > 0) {
		b, err = v.wanted(number, store.PartTransactions)
	}
	if err != nil {
		return err
	}
	fee := b.BaseFeePerGas
	if fee == nil {
		fee = new(uint256.Int)
	}
	blobFee, blobUsed, err := v.blobFee(b)
	if err != nil {
		return err
	}
	h.BaseFee = append(h.BaseFee, (*hexutil.U256)(fee))
	h.GasUsed = append(h.GasUsed, ratio(b.GasUsed, b.GasLimit))
	h.BlobBaseFee = append(h.BlobBaseFee, (*hexutil.U256)(blobFee))
	h.BlobGasUsed = append(h.BlobGasUsed, blobUsed)
	if len(percentiles) > 0 {
		h.Reward = append(h.Reward, rewards(b, percentiles))
	}
	return nil
}

func ratio(used, limit uint64) float64 {
	if limit == 0 {
		return 0 // not a number would be no JSON
	}
	return float64(used) / float64(limit)
}

// finish adds what follows from the last block, and gives the history the fields
// that the client's have.
func (h *feeHistory) finish(v *view, last uint64) error {
	if err := h.addNext(v, last); err != nil {
		return err
	}
	m, err := v.manner()
	if err != nil {
		return err
	}
	if m.noBlobFees {
		h.BlobBaseFee, h.BlobGasUsed = nil, nil
	}
	if m.emptyReward && h.Reward == nil {
		h.Reward = [][]*hexutil.U256{}
	}
	return nil
}

// addNext adds the fees of the block after the last.
func (h *feeHistory) addNext(v *view, last uint64) error {
	fee, err := v.baseFeeAfter(last)
	if err != nil {
		return err
	}
	blobFee, err := v.blobFeeAfter(last)
	if err != nil {
		return err
	}
	h.BaseFee = append(h.BaseFee, (*hexutil.U256)(fee))
	h.BlobBaseFee = append(h.BlobBaseFee, (*hexutil.U256)(blobFee))
	return nil
}

// hexOrDecimal is a count, which some clients send as a bare number.
type hexOrDecimal uint64

// UnmarshalJSON reads "0x10", "16" or 16.
func (n *hexOrDecimal) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	v, err := parseCount(text)
	if err != nil {
		return fmt.Errorf("%q is not a count of blocks", text)
	}
	*n = hexOrDecimal(v)
	return nil
}
