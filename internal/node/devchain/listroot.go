package devchain

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// A listRoot computes the root of a list's Merkle-Patricia trie, the plain way.
// go-ethereum's own is in a package that needs half a node.
type listRoot struct {
	items []item
}

type item struct {
	key   []byte // nibbles
	value []byte
}

// NewListRoot is a [types.ListHasher] of one use, for [types.NewBlock].
func NewListRoot() types.ListHasher { return new(listRoot) }

// Reset forgets the items.
func (l *listRoot) Reset() { l.items = nil }

// Update adds an item.
func (l *listRoot) Update(key, value []byte) error {
	nibbles := make([]byte, 0, 2*len(key))
	for _, b := range key {
		nibbles = append(nibbles, b>>4, b&15)
	}
	l.items = append(l.items, item{nibbles, bytes.Clone(value)})
	return nil
}

// Hash gives the root of the items.
func (l *listRoot) Hash() common.Hash {
	if len(l.items) == 0 {
		return types.EmptyRootHash
	}
	return crypto.Keccak256Hash(encodeNode(l.items, 0))
}

// encodeNode gives the RLP of the node that holds items, which all have the
// same first depth nibbles.
func encodeNode(items []item, depth int) []byte {
	if len(items) == 1 {
		return encodeList(encodeString(compact(items[0].key[depth:], true)), encodeString(items[0].value))
	}
	if shared := sharedPrefix(items, depth); shared > depth {
		return encodeList(encodeString(compact(items[0].key[depth:shared], false)), reference(encodeNode(items, shared)))
	}
	var parts [17][]byte
	for nibble := range 16 {
		var inside []item
		for _, it := range items {
			if int(it.key[depth]) == nibble {
				inside = append(inside, it)
			}
		}
		parts[nibble] = encodeString(nil)
		if len(inside) > 0 {
			parts[nibble] = reference(encodeNode(inside, depth+1))
		}
	}
	parts[16] = encodeString(nil)
	return encodeList(parts[:]...)
}

func sharedPrefix(items []item, depth int) int {
	first := items[0].key
	n := len(first)
	for _, it := range items[1:] {
		for i := depth; i < n; i++ {
			if i >= len(it.key) || it.key[i] != first[i] {
				n = i
			}
		}
	}
	return n
}

// reference is how a node names its child: by hash, or whole if it is short.
func reference(encoded []byte) []byte {
	if len(encoded) < 32 {
		return encoded
	}
	return encodeString(crypto.Keccak256(encoded))
}

// compact is the hex-prefix encoding of nibbles (Yellow Paper, appendix C).
func compact(nibbles []byte, leaf bool) []byte {
	flag := byte(0)
	if leaf {
		flag = 2
	}
	if len(nibbles)%2 == 1 {
		nibbles = append([]byte{flag | 1}, nibbles...)
	} else {
		nibbles = append([]byte{flag, 0}, nibbles...)
	}
	out := make([]byte, len(nibbles)/2)
	for i := range out {
		out[i] = nibbles[2*i]<<4 | nibbles[2*i+1]
	}
	return out
}

func encodeString(b []byte) []byte {
	out, _ := rlp.EncodeToBytes(b) // bytes always can be
	return out
}

func encodeList(parts ...[]byte) []byte {
	raws := make([]rlp.RawValue, len(parts))
	for i, p := range parts {
		raws[i] = p
	}
	out, _ := rlp.EncodeToBytes(raws)
	return out
}
