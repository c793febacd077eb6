package archive

import (
	"context"
	"fmt"
	"io"

	"gapless/internal/chain"
)

// WriteRLP writes the blocks one after the other as `geth import` reads them
// and, if receipts is not nil, to it a list of the receipts of each block, as
// nodes exchange them. It fails at a block that RLP can't hold: one with fields
// or transactions that are not known here.
func (s *Selection) WriteRLP(ctx context.Context, blocks, receipts io.Writer) error {
	type encoded struct{ blocks, receipts []byte }
	encode := func(all []*chain.Block) (e encoded, err error) {
		for _, b := range all {
			if err := isWhole(b, receipts != nil); err != nil {
				return e, err
			}
			if e.blocks, err = b.AppendRLP(e.blocks); err != nil {
				return e, err
			}
			if receipts != nil {
				e.receipts = b.AppendReceiptsRLP(e.receipts)
			}
		}
		return e, nil
	}
	return read(ctx, s, chain.QuickChecks, encode, func(e encoded) error {
		if _, err := blocks.Write(e.blocks); err != nil || receipts == nil {
			return err
		}
		_, err := receipts.Write(e.receipts)
		return err
	})
}

// isWhole reports by its verdict whether RLP holds all of a block.
func isWhole(b *chain.Block, receipts bool) error {
	needed := chain.HeaderHash | chain.WithdrawalsRoot | chain.UnclesHash
	if len(b.Transactions) > 0 {
		needed |= chain.TransactionsRoot
		if receipts {
			needed |= chain.ReceiptsRoot
		}
	}
	if lacks := needed &^ b.Verdict.Passed; lacks != 0 {
		return fmt.Errorf("block %d can't be written as RLP, as its %s does not come out: %s", b.Number, lacks, b.Verdict.Why)
	}
	return nil
}
