package store

import "github.com/ethereum/go-ethereum/common"

// Changes are what the journal says happened since some moment, in short.
type Changes struct {
	Epoch   [8]byte  // of the file: another one means another chain, since its beginning
	Seq     int64    // of the last row
	Rewound *uint64  // the lowest block that a reorg has taken away; nil: none
	Touched []uint64 // blocks below the head that were filled or became missing, in order of time
}

// Changes sums up the journal after a row.
func (v *View) Changes(after int64) (c Changes, err error) {
	if err := v.get(`SELECT epoch FROM chain`, nil, fixed(c.Epoch[:])); err != nil {
		return c, err
	}
	if err := v.get(`SELECT IFNULL(MAX(seq), 0) FROM journal`, nil, &c.Seq); err != nil {
		return c, err
	}
	var kind string
	var first uint64
	err = v.each(`SELECT kind, first_block FROM journal WHERE kind IN ('reorg', 'filled', 'failed') AND seq > ? ORDER BY seq`,
		[]any{after}, []any{&kind, integer{&first}}, func() {
			if kind != kindReorg {
				c.Touched = append(c.Touched, first)
				return
			}
			if c.Rewound == nil || first < *c.Rewound {
				lowest := first
				c.Rewound = &lowest
			}
		})
	return c, err
}

// LastReorg is the sequence number of the last reorg in the journal, 0 if there
// was none; and the file's epoch. While both stay, no stored block has changed.
func (v *View) LastReorg() (seq int64, epoch [8]byte, err error) {
	if err = v.get(`SELECT epoch FROM chain`, nil, fixed(epoch[:])); err == nil {
		err = v.get(`SELECT IFNULL(MAX(seq), 0) FROM journal WHERE kind = 'reorg'`, nil, &seq)
	}
	return seq, epoch, err
}

// Finality gives what [Store.SetFinality] has kept. Nil is unknown.
func (v *View) Finality() (finalized, safe *Tag, err error) {
	var finalNumber, safeNumber *uint64
	var finalHash, safeHash *common.Hash
	err = v.get(`SELECT finalized_number, finalized_hash, safe_number, safe_hash FROM chain`, nil, optInteger{&finalNumber}, optFixed[common.Hash]{&finalHash},
		optInteger{&safeNumber}, optFixed[common.Hash]{&safeHash})
	return newTag(finalNumber, finalHash), newTag(safeNumber, safeHash), err
}
