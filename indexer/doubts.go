package indexer

import (
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"gapless/internal/chain"
)

// doubts are about blocks that do not prove to be right. Such a block may be one
// of a chain that has more than is known here, or of a development chain, whose
// transactions need no signature; but an answer that was spoiled on its way looks
// the same. So it must be told a second time, in the very same words.
type doubts struct {
	mu   sync.Mutex             // guards what follows
	told map[uint64]common.Hash // what was told once, by block
	// usual is what the last block that was believed left unproved: a chain of
	// which that can't be computed is not asked for each of its blocks twice.
	usual chain.Check

	file   [8]byte      // epoch of the file that what follows is about
	probes chain.Probes // of what fails, whether it may be a property of the chain or is refused
	warned bool         // of what is refused on all blocks
	said   chain.Exemptions
}

// mostTold bounds the blocks that wait to be told again.
const mostTold = 1000

// believe returns an [chain.Invalid] error for a block that must be told again.
func (d *doubts) believe(b *chain.Block, v chain.Verdict) error {
	unproved := v.Failed | v.NotComputable
	d.mu.Lock()
	defer d.mu.Unlock()
	if unproved&^d.usual != 0 && !d.again(b) {
		return &chain.Error{Class: chain.Invalid, Err: fmt.Errorf("not proved, to be told again: %s", v.Why)}
	}
	delete(d.told, b.Number)
	d.usual = unproved
	return nil
}

// passed notes that all checks of a block have passed.
func (d *doubts) passed(b *chain.Block, checks chain.Check) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.told, b.Number)
	d.usual = 0
	d.probes.Add(b, checks, nil)
}

// again reports whether the block was told before, in the same words. The lock
// is held.
func (d *doubts) again(b *chain.Block) bool {
	now := told(b)
	if d.told[b.Number] == now {
		return true
	}
	if d.told == nil || len(d.told) >= mostTold {
		d.told = make(map[uint64]common.Hash)
	}
	d.told[b.Number] = now
	return false
}

// of forgets what was seen for another file.
func (d *doubts) of(file [8]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != file && d.file != [8]byte{} {
		d.probes, d.warned, d.said = chain.Probes{}, false, nil
	}
	d.file = file
}

// probe lets a block show what the chain is like, if it was told before.
func (d *doubts) probe(b *chain.Block, checks chain.Check, open []chain.Finding) (decided []chain.Exemption, again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if again = d.again(b); again {
		decided = d.probes.Add(b, checks, open)
	}
	return decided, again
}

// passedFrom reports whether a block from a number on was seen to pass.
func (d *doubts) passedFrom(f chain.Finding, number uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.probes.Passed(f) >= number
}

// news gives what was not said yet: of a chain whose blocks come out of order, the
// same is decided again for lower ones.
func (d *doubts) news(decided []chain.Exemption) (news []chain.Exemption) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range decided {
		before := len(d.said)
		if d.said = d.said.With(e); len(d.said) > before {
			news = append(news, e)
		}
	}
	return news
}

// refuse reports, once, that blocks fail alike though their client's rules are
// known.
func (d *doubts) refuse(b *chain.Block, checks chain.Check, open []chain.Finding) (news []chain.Exemption) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.warned {
		return nil
	}
	news = d.probes.Add(b, checks, open)
	d.warned = len(news) > 0
	return news
}

// told names all that the source tells of a block.
func told(b *chain.Block) common.Hash {
	text := b.AppendReceipts(b.AppendBlock(nil, true))
	for i := range b.Uncles {
		text = b.AppendUncle(text, i)
	}
	return crypto.Keccak256Hash(text)
}
