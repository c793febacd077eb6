package chain

import (
	"bytes"
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// emptyRoot is the root of a trie without entries.
var emptyRoot = crypto.Keccak256Hash([]byte{0x80})

// A listTrie computes roots of Merkle Patricia tries that map the RLP of 0, 1, …
// to values (Yellow Paper, appendix D), as headers commit to transactions,
// receipts and withdrawals. All keys are known at once, so that the trie is
// folded from its sorted leaves and never built.
type listTrie struct {
	hasher
	leaves  []leaf
	nibbles []byte // of all keys
	nodes   []byte // a stack of those that are being folded
}

type leaf struct {
	key   []byte // nibbles
	value []byte
}

func (t *listTrie) root(values [][]byte) common.Hash {
	if len(values) == 0 {
		return emptyRoot
	}
	t.leaves, t.nibbles = t.leaves[:0], t.nibbles[:0]
	for i := 1; i < min(len(values), 128); i++ {
		t.add(i, values[i])
	}
	t.add(0, values[0]) // whose key is 0x80
	for i := 128; i < len(values); i++ {
		t.add(i, values[i])
	}
	t.nodes = t.fold(t.nodes[:0], t.leaves, 0)
	return t.hash(t.nodes)
}

func (t *listTrie) add(i int, value []byte) {
	var room [9]byte
	first := len(t.nibbles)
	for _, b := range rlp.AppendUint64(room[:0], uint64(i)) {
		t.nibbles = append(t.nibbles, b>>4, b&15)
	}
	t.leaves = append(t.leaves, leaf{t.nibbles[first:], value})
}

// fold appends the RLP of the node over leaves, which share their first depth
// nibbles. No key is a prefix of another, so no branch has a value.
func (t *listTrie) fold(out []byte, leaves []leaf, depth int) []byte {
	var room [10]byte
	first, last := leaves[0].key, leaves[len(leaves)-1].key
	if len(leaves) == 1 {
		path, value := compact(room[:0], first[depth:], true), leaves[0].value
		out = appendListHead(out, stringSize(path)+stringSize(value))
		return appendString(appendString(out, path), value)
	}
	shared := depth
	for first[shared] == last[shared] {
		shared++
	}
	if shared == depth {
		return t.branch(out, leaves, depth)
	}
	var reference [33]byte
	node := t.branch(out, leaves, shared)
	below := t.appendReference(reference[:0], node[len(out):])
	path := compact(room[:0], first[depth:shared], false)
	out = appendListHead(node[:len(out)], stringSize(path)+len(below))
	return append(appendString(out, path), below...)
}

func (t *listTrie) branch(out []byte, leaves []leaf, depth int) []byte {
	var room [17 * 33]byte
	references := room[:0]
	for nibble := byte(0); nibble < 16; nibble++ {
		n := 0
		for n < len(leaves) && leaves[n].key[depth] == nibble {
			n++
		}
		if n == 0 {
			references = append(references, 0x80)
			continue
		}
		node := t.fold(out, leaves[:n], depth+1)
		references = t.appendReference(references, node[len(out):])
		out, leaves = node[:len(out)], leaves[n:]
	}
	references = append(references, 0x80) // the branch's own value
	return append(appendListHead(out, len(references)), references...)
}

// appendReference appends what stands for a node inside its parent: itself if
// it is short, else its hash.
func (t *listTrie) appendReference(out, node []byte) []byte {
	if len(node) < 32 {
		return append(out, node...)
	}
	hash := t.hash(node)
	return appendString(out, hash[:])
}

// compact appends nibbles, packed with the flags of a leaf or an extension
// (Yellow Paper, appendix C).
func compact(out, nibbles []byte, isLeaf bool) []byte {
	flag := byte(0)
	if isLeaf {
		flag = 2
	}
	if len(nibbles)%2 == 1 {
		out = append(out, (flag+1)<<4|nibbles[0])
		nibbles = nibbles[1:]
	} else {
		out = append(out, flag<<4)
	}
	for i := 0; i < len(nibbles); i += 2 {
		out = append(out, nibbles[i]<<4|nibbles[i+1])
	}
	return out
}

// appendString appends the RLP of a string.
func appendString(out, s []byte) []byte {
	if len(s) == 1 && s[0] < 0x80 {
		return append(out, s[0])
	}
	return append(appendHead(out, 0x80, len(s)), s...)
}

// stringSize is how many bytes appendString appends.
func stringSize(s []byte) int {
	var room [9]byte
	if len(s) == 1 && s[0] < 0x80 {
		return 1
	}
	return len(appendHead(room[:0], 0x80, len(s))) + len(s)
}

// appendListHead appends what is before a list's items of so many bytes.
func appendListHead(out []byte, size int) []byte { return appendHead(out, 0xc0, size) }

func appendHead(out []byte, kind byte, size int) []byte {
	if size < 56 {
		return append(out, kind+byte(size))
	}
	var room [8]byte
	binary.BigEndian.PutUint64(room[:], uint64(size))
	digits := bytes.TrimLeft(room[:], "\x00")
	return append(append(out, kind+55+byte(len(digits))), digits...)
}
