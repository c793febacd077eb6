package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/golang/snappy"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// An era1 file holds up to 8,192 blocks from before the merge as e2store
// entries: type and length, 8 bytes, and a value
// (https://github.com/eth-clients/e2store-format-specs). Of a block there are
// header, body, receipts and total difficulty.
type era1 struct {
	*file
	first   uint64  // number of the first block
	offsets []int64 // of the blocks; one more for the end of the last
}

// Types of entries.
const (
	era1Version    = 0x3265
	era1Header     = 0x03
	era1Body       = 0x04
	era1Receipts   = 0x05
	era1Difficulty = 0x06
	era1Index      = 0x3266
)

// era1Magic is the entry with which a file begins.
var era1Magic = []byte{0x65, 0x32, 0, 0, 0, 0, 0, 0}

// An entry of an e2store.
type entry struct {
	kind   uint16
	at     int64 // of its value
	length int64
}

// end is where the next entry begins.
func (e entry) end() int64 { return e.at + e.length }

// next reads what is before the value of an entry.
func (f *file) next(at int64) (e entry, err error) {
	if f.size-at < 8 {
		return e, cutOff(at)
	}
	var head [8]byte
	if _, err := f.ReadAt(head[:], at); err != nil {
		return e, err
	}
	e = entry{binary.LittleEndian.Uint16(head[:]), at + 8, int64(binary.LittleEndian.Uint32(head[2:]))}
	if e.length > f.size-e.at {
		return e, cutOff(at)
	}
	return e, nil
}

func openEra1(ctx context.Context, f *file) (*era1, error) {
	a := &era1{file: f}
	indexed := false
	for at := int64(0); at < f.size; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e, err := f.next(at)
		if err != nil {
			return nil, err
		}
		switch e.kind {
		case era1Header:
			a.offsets = append(a.offsets, at)
		case era1Index:
			indexed = true
			if err := a.readIndex(e); err != nil {
				return nil, err
			}
		}
		at = e.end()
	}
	if !indexed {
		return nil, errors.New("the file has no block index: it is not a whole era1 archive")
	}
	a.offsets = append(a.offsets, f.size)
	return a, nil
}

// readIndex takes the number of the first block from the index: that, an offset
// of each block, and their count, 8 bytes each.
func (a *era1) readIndex(e entry) error {
	if e.length != int64(8*len(a.offsets))+16 {
		return wrong("the block index is not of the %d blocks of the file", len(a.offsets))
	}
	var first [8]byte
	_, err := a.ReadAt(first[:], e.at)
	a.first = binary.LittleEndian.Uint64(first[:])
	if a.first > 1<<62 {
		return wrong("the first block is %d", a.first)
	}
	return err
}

func (a *era1) numbers() []uint64 {
	numbers := make([]uint64, len(a.offsets)-1)
	for i := range numbers {
		numbers[i] = a.first + uint64(i)
	}
	return numbers
}

func (a *era1) origin() origin { return origin{client: "era1 archive"} }

func (a *era1) block(i int) (*chain.Block, int, error) {
	values, err := a.values(a.offsets[i], a.offsets[i+1])
	if err != nil {
		return nil, 0, err
	}
	header, body, receipts := values[era1Header], values[era1Body], values[era1Receipts]
	inside, rest, err := rlp.SplitList(body)
	if err != nil || len(rest) > 0 {
		return nil, 0, wrong("the body is not a list")
	}
	block := slices.Concat(header, inside)
	block = append(listPrefix(len(block)), block...)
	b, err := chain.DecodeRLP(block, receipts)
	if err != nil {
		return nil, 0, err
	}
	if total := values[era1Difficulty]; total != nil {
		b.TotalDifficulty = new(uint256.Int).SetBytes(total)
	}
	return b, 2 * (len(block) + len(receipts)), nil // as hex
}

// values reads the entries of a block.
func (a *era1) values(at, end int64) (map[uint16][]byte, error) {
	values := make(map[uint16][]byte)
	for at < end {
		e, err := a.next(at)
		if err != nil {
			return nil, err
		}
		at = e.end()
		if _, twice := values[e.kind]; twice || e.kind != era1Header && e.kind != era1Body && e.kind != era1Receipts && e.kind != era1Difficulty {
			break // what follows the last block
		}
		raw, err := a.part(e.at, e.length)
		if err != nil {
			return nil, err
		}
		if values[e.kind] = raw; e.kind == era1Difficulty {
			if len(raw) != 32 {
				return nil, wrong("a total difficulty of %d bytes", len(raw))
			}
			slices.Reverse(raw) // it is little-endian
			continue
		}
		if values[e.kind], err = unsnap(raw); err != nil {
			return nil, err
		}
	}
	for kind, what := range map[uint16]string{era1Header: "header", era1Body: "body", era1Receipts: "receipts"} {
		if values[kind] == nil {
			return nil, wrong("there is no %s", what)
		}
	}
	return values, nil
}

// unsnappers are used again: each has buffers of 140 kB.
var unsnappers = sync.Pool{New: func() any { return snappy.NewReader(nil) }}

// unsnap decompresses a value, a frame of snappy.
func unsnap(raw []byte) ([]byte, error) {
	in := unsnappers.Get().(*snappy.Reader)
	defer unsnappers.Put(in)
	in.Reset(bytes.NewReader(raw))
	text, err := io.ReadAll(io.LimitReader(in, mostBytes+1))
	switch {
	case err != nil:
		return nil, wrong("%w", err)
	case len(text) > mostBytes:
		return nil, wrong("a value of more than %d bytes", mostBytes)
	}
	return text, nil
}

// listPrefix is what stands before the content of an RLP list.
func listPrefix(length int) []byte {
	if length < 56 {
		return []byte{0xc0 + byte(length)}
	}
	digits := binary.BigEndian.AppendUint64(nil, uint64(length))
	digits = bytes.TrimLeft(digits, "\x00")
	return append([]byte{0xf7 + byte(len(digits))}, digits...)
}
