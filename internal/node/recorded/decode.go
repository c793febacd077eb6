package recorded

import "gapless/internal/chain"

// Decode decodes the answers, without verifying them.
func (b *Block) Decode() (*chain.Block, error) {
	block, err := chain.DecodeBlock(b.Block)
	if err != nil {
		return nil, err
	}
	if err := block.DecodeReceipts(b.Receipts); err != nil {
		return nil, err
	}
	return block, block.DecodeUncles(b.Uncles)
}
