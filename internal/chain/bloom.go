package chain

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
)

// A Bloom is the 2048-bit filter of a header or receipt over the addresses and
// topics of its logs (Yellow Paper, 4.3.1).
type Bloom [256]byte

func (b *Bloom) or(other *Bloom) {
	for i := 0; i < len(b); i += 8 {
		both := binary.LittleEndian.Uint64(b[i:]) | binary.LittleEndian.Uint64(other[i:])
		binary.LittleEndian.PutUint64(b[i:], both)
	}
}

// A bloomer computes blooms. It remembers the bits of what it saw of late, as
// the same contracts, events and accounts come again and again.
type bloomer struct {
	hasher
	seen [1024]bloomed // each has one place, and may be driven out of it
}

// A bloomed is an address or a topic, and its bits.
type bloomed struct {
	value  common.Hash
	length uint8 // of value; 0 if there is none yet
	bits   [3]uint16
}

func (m *bloomer) add(b *Bloom, r *Receipt) {
	for i := range r.Logs {
		log := &r.Logs[i]
		m.addValue(b, common.BytesToHash(log.Address[:]), len(log.Address))
		for j := range log.Topics {
			m.addValue(b, log.Topics[j], len(log.Topics[j]))
		}
	}
}

// addValue adds the last bytes of value, as many as length.
func (m *bloomer) addValue(b *Bloom, value common.Hash, length int) {
	at := binary.LittleEndian.Uint64(value[24:]) * 0x9e3779b97f4a7c15 >> 54
	s := &m.seen[at]
	if s.value != value || s.length != uint8(length) {
		*s = bloomed{value: value, length: uint8(length), bits: bloomBits(m.hash(value[32-length:]))}
	}
	for _, bit := range s.bits {
		b[255-bit/8] |= 1 << (bit % 8)
	}
}

func bloomBits(h common.Hash) (bits [3]uint16) {
	for i := range bits {
		bits[i] = binary.BigEndian.Uint16(h[2*i:]) & 2047
	}
	return bits
}
