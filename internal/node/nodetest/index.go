package nodetest

import (
	"bytes"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/node/recorded"
)

// An index finds what is asked for by hash in a chain.
type index struct {
	blocks   map[common.Hash]uint64
	receipts map[common.Hash]place // by transaction
}

type place struct {
	number uint64
	index  int
}

// indexed gives the index of the chain that is served now.
func (n *Node) indexed() index {
	if n.served == n.Chain {
		return n.index
	}
	n.served = n.Chain
	n.index = index{map[common.Hash]uint64{}, map[common.Hash]place{}}
	for i := range n.Chain.Blocks {
		b := &n.Chain.Blocks[i]
		n.index.blocks[b.Hash] = b.Number
		for j, hash := range transactionHashes(b) {
			n.index.receipts[hash] = place{b.Number, j}
		}
	}
	return n.index
}

func transactionHashes(b *recorded.Block) []common.Hash {
	var body struct {
		Transactions []struct {
			Hash common.Hash `json:"hash"`
		} `json:"transactions"`
	}
	_ = json.Unmarshal(b.Block, &body) // a broken block has none
	hashes := make([]common.Hash, len(body.Transactions))
	for i, tx := range body.Transactions {
		hashes[i] = tx.Hash
	}
	return hashes
}

func receiptAt(b *recorded.Block, i int) json.RawMessage {
	var all []json.RawMessage
	if err := json.Unmarshal(b.Receipts, &all); err != nil || i >= len(all) {
		return null
	}
	return all[i]
}

// withHashes gives the block with hashes for its transactions.
func withHashes(b *recorded.Block) json.RawMessage {
	return edit(b.Block, func(keys map[string]any) { keys["transactions"] = transactionHashes(b) })
}

// header gives what newHeads tells of a block.
func header(b *recorded.Block) json.RawMessage {
	return edit(b.Block, func(keys map[string]any) {
		for _, key := range []string{"transactions", "uncles", "withdrawals", "size", "totalDifficulty"} {
			delete(keys, key)
		}
	})
}

// edit changes the keys of a JSON object.
func edit(raw json.RawMessage, f func(keys map[string]any)) json.RawMessage {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return raw
	}
	keys := make(map[string]any, len(fields))
	for key, value := range fields {
		keys[key] = value
	}
	f(keys)
	edited, err := json.Marshal(keys)
	if err != nil {
		return raw
	}
	return edited
}

// rename gives raw with another hash wherever the block's is.
func rename(raw json.RawMessage, hash common.Hash) json.RawMessage {
	other := hash
	other[0] ^= 0xff
	return bytes.ReplaceAll(raw, []byte(hash.Hex()), []byte(other.Hex()))
}
