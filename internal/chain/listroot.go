package chain

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// emptyRoot is the root of a trie without entries.
var emptyRoot = crypto.Keccak256Hash([]byte{0x80})

// listRoot is the root hash of the Merkle Patricia trie that maps the RLP of
// 0, 1, … to values (Yellow Paper, appendix D), as headers commit to
// transactions, receipts and withdrawals. All keys are known at once, so the
// trie is folded from its sorted leaves and never built.
func listRoot(values [][]byte) common.Hash {
	if len(values) == 0 {
		return emptyRoot
	}
	leaves := make([]leaf, len(values))
	for i, value := range values {
		leaves[i] = leaf{key: nibbles(rlp.AppendUint64(nil, uint64(i))), value: value}
	}
	slices.SortFunc(leaves, func(a, b leaf) int { return slices.Compare(a.key, b.key) })
	return crypto.Keccak256Hash(foldLeaves(leaves, 0))
}

type leaf struct {
	key   []byte // nibbles
	value []byte
}

// foldLeaves gives the RLP of the node over leaves, which share their first
// depth nibbles. No key is a prefix of another, so no branch has a value.
func foldLeaves(leaves []leaf, depth int) []byte {
	first, last := leaves[0].key, leaves[len(leaves)-1].key
	if len(leaves) == 1 {
		return appendRLP(nil, func(w rlp.EncoderBuffer) {
			l := w.List()
			w.WriteBytes(compact(first[depth:], true))
			w.WriteBytes(leaves[0].value)
			w.ListEnd(l)
		})
	}
	shared := depth
	for first[shared] == last[shared] {
		shared++
	}
	branch := foldBranch(leaves, shared)
	if shared == depth {
		return branch
	}
	return appendRLP(nil, func(w rlp.EncoderBuffer) {
		l := w.List()
		w.WriteBytes(compact(first[depth:shared], false))
		writeReference(w, branch)
		w.ListEnd(l)
	})
}

func foldBranch(leaves []leaf, depth int) []byte {
	return appendRLP(nil, func(w rlp.EncoderBuffer) {
		l := w.List()
		for nibble := byte(0); nibble < 16; nibble++ {
			n := 0
			for n < len(leaves) && leaves[n].key[depth] == nibble {
				n++
			}
			if n == 0 {
				w.WriteBytes(nil)
				continue
			}
			writeReference(w, foldLeaves(leaves[:n], depth+1))
			leaves = leaves[n:]
		}
		w.WriteBytes(nil) // the branch's own value
		w.ListEnd(l)
	})
}

// writeReference writes a node inside its parent: itself if it is short, else
// its hash.
func writeReference(w rlp.EncoderBuffer, node []byte) {
	if len(node) < 32 {
		_, _ = w.Write(node) // raw; a buffer does not fail
		return
	}
	w.WriteBytes(crypto.Keccak256(node))
}

func nibbles(key []byte) []byte {
	out := make([]byte, 0, 2*len(key))
	for _, b := range key {
		out = append(out, b>>4, b&15)
	}
	return out
}

// compact packs nibbles with the flags of a leaf or an extension (Yellow
// Paper, appendix C).
func compact(nibbles []byte, isLeaf bool) []byte {
	flag := byte(0)
	if isLeaf {
		flag = 2
	}
	out := make([]byte, 0, len(nibbles)/2+1)
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
