package chain

import "github.com/ethereum/go-ethereum/crypto"

// A Bloom is the 2048-bit filter of a header or receipt over the addresses and
// topics of its logs (Yellow Paper, 4.3.1).
type Bloom [256]byte

func (b *Bloom) add(data []byte) {
	h := crypto.Keccak256(data)
	for i := 0; i < 6; i += 2 {
		bit := (uint(h[i])<<8 | uint(h[i+1])) & 2047
		b[255-bit/8] |= 1 << (bit % 8)
	}
}

func (b *Bloom) or(other *Bloom) {
	for i := range b {
		b[i] |= other[i]
	}
}

func (r *Receipt) computeBloom() (b Bloom) {
	for i := range r.Logs {
		b.add(r.Logs[i].Address[:])
		for j := range r.Logs[i].Topics {
			b.add(r.Logs[i].Topics[j][:])
		}
	}
	return b
}
