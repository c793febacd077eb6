package indexer

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/chain"
)

// doubts are about blocks that a level accepts though they are not proved. Such
// a block may be one of a chain that has more than is known here, or of a
// development chain, whose transactions need no signature; but an answer that
// was spoiled on its way looks the same. So it must be told a second time, in
// the very same words.
type doubts struct {
	mu   sync.Mutex             // guards what follows
	told map[uint64]common.Hash // what was told once, by block
	// usual is what the last block that was believed left unproved: a chain of
	// which that can't be computed is not asked for each of its blocks twice.
	usual chain.Check
}

// mostTold bounds the blocks that wait to be told again.
const mostTold = 1000

// believe returns an [chain.Invalid] error for a block that must be told again.
func (d *doubts) believe(b *chain.Block, v chain.Verdict) error {
	unproved := v.Failed | v.NotComputable
	d.mu.Lock()
	defer d.mu.Unlock()
	if unproved&^d.usual != 0 {
		now := told(b)
		if d.told[b.Number] != now {
			if d.told == nil || len(d.told) >= mostTold {
				d.told = make(map[uint64]common.Hash)
			}
			d.told[b.Number] = now
			return &chain.Error{Class: chain.Invalid, Err: fmt.Errorf("not proved, to be told again: %s", v.Why)}
		}
	}
	delete(d.told, b.Number)
	d.usual = unproved
	return nil
}

// told names all that the source tells of a block.
func told(b *chain.Block) common.Hash {
	text := b.AppendReceipts(b.AppendBlock(nil, true))
	for i := range b.Uncles {
		text = b.AppendUncle(text, i)
	}
	return crypto.Keccak256Hash(text)
}
