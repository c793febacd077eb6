package node

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/chain"
)

// fetchByTransaction asks for the receipts of each transaction, of the blocks
// for which that is the only way.
func (e *endpoint) fetchByTransaction(ctx context.Context, fetches []*fetch) error {
	var calls []*call
	for _, f := range fetches {
		if f.err == nil && f.missing {
			calls = append(calls, f.receiptCalls()...)
		}
	}
	if err := e.do(ctx, calls, 1); err != nil {
		return err
	}
	for _, f := range fetches {
		if f.err == nil && f.missing {
			n := len(f.block.Transactions)
			f.join(e, calls[:n])
			calls = calls[n:]
		}
	}
	return nil
}

func (f *fetch) receiptCalls() []*call {
	calls := make([]*call, len(f.block.Transactions))
	for i := range calls {
		calls[i] = f.call("eth_getTransactionReceipt", f.block.Transactions[i].Hash)
	}
	return calls
}

// join makes of single receipts the answer that eth_getBlockReceipts would be.
func (f *fetch) join(e *endpoint, calls []*call) {
	raws := make([][]byte, len(calls))
	for i, c := range calls {
		if c.err != nil {
			f.fail(e, c.err)
			return
		}
		raws[i] = c.raw
	}
	f.takeReceipts(slices.Concat([]byte{'['}, bytes.Join(raws, []byte{','}), []byte{']'}))
}

// addReceipts decodes the receipts. Those that are not the block's, perhaps
// because the chain was reorganised between the two answers, are asked for once
// more.
func (e *endpoint) addReceipts(ctx context.Context, fetches []*fetch) error {
	var again []*fetch
	for _, f := range fetches {
		if f.err != nil {
			continue
		}
		err := f.block.DecodeReceipts(f.receipts)
		f.receipts = nil
		switch class := chain.ClassOf(err); {
		case err == nil:
		case class == chain.Race || class == chain.Invalid:
			again = append(again, f)
		default:
			f.fail(e, e.named(err))
		}
	}
	return e.receiptsAgain(ctx, again)
}

// receiptsAgain asks for receipts by the block's hash, where the endpoint can.
func (e *endpoint) receiptsAgain(ctx context.Context, fetches []*fetch) error {
	var calls []*call
	for _, f := range fetches {
		if f.missing {
			calls = append(calls, f.receiptCalls()...)
		} else {
			calls = append(calls, f.call("eth_getBlockReceipts", f.block.Hash))
		}
	}
	if err := e.do(ctx, calls, 1); err != nil {
		return err
	}
	for _, f := range fetches {
		n := 1
		if f.missing {
			n = len(f.block.Transactions)
			f.join(e, calls[:n])
		} else if f.takeReceipts(calls[0].raw); calls[0].err != nil {
			f.fail(e, calls[0].err)
		}
		calls = calls[n:]
		f.decodeAgain(e)
	}
	return nil
}

// decodeAgain decodes the receipts that were asked for again.
func (f *fetch) decodeAgain(e *endpoint) {
	if f.err != nil {
		return
	}
	err := f.block.DecodeReceipts(f.receipts)
	f.receipts = nil
	if err == nil {
		return
	}
	// Receipts of a transaction can't be asked for by block: they still may be
	// those of a newer block of that number.
	if chain.ClassOf(err) == chain.Race && !f.missing {
		err = errorf(chain.Invalid, "%w, even by its hash", err)
	}
	f.fail(e, e.named(err))
}

// addUncles asks for the uncles of all blocks.
func (e *endpoint) addUncles(ctx context.Context, fetches []*fetch) error {
	var calls []*call
	for _, f := range fetches {
		if f.err != nil {
			continue
		}
		for i := range f.block.UncleHashes {
			calls = append(calls, f.call("eth_getUncleByBlockHashAndIndex", f.block.Hash, hexutil.Uint64(i)))
		}
	}
	if err := e.do(ctx, calls, 1); err != nil {
		return err
	}
	for _, f := range fetches {
		if f.err != nil {
			continue
		}
		n := len(f.block.UncleHashes)
		f.decodeUncles(e, calls[:n])
		calls = calls[n:]
	}
	return nil
}

func (f *fetch) decodeUncles(e *endpoint, calls []*call) {
	raws := make([]json.RawMessage, len(calls))
	for i, c := range calls {
		if c.err != nil {
			f.fail(e, c.err)
			return
		}
		raws[i] = c.raw
	}
	if len(raws) == 0 {
		return
	}
	if err := f.block.DecodeUncles(raws); err != nil {
		f.fail(e, e.named(err))
	}
}
