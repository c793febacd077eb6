package archive

import (
	"context"
	"encoding/binary"
	"fmt"

	"gapless/internal/chain"
)

// An rlpArchive is a file of blocks, one after the other, as `geth export` writes
// them, with a file of a list of receipts for each block.
type rlpArchive struct {
	blocks, receipts *items
	first            uint64 // number of the first block; the others follow
}

// items are the RLP lists of a file.
type items struct {
	*file
	offsets []int64 // one more for the end of the last
}

func (s *Source) openRLP(ctx context.Context, f *file, receipts string) (*rlpArchive, error) {
	r, err := s.openFile(ctx, receipts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", receipts, err)
	}
	return newRLP(ctx, f, r)
}

func newRLP(ctx context.Context, f, receipts *file) (a *rlpArchive, err error) {
	a = new(rlpArchive)
	if a.blocks, err = findItems(ctx, f); err != nil {
		return nil, err
	}
	if a.receipts, err = findItems(ctx, receipts); err != nil {
		return nil, fmt.Errorf("%s: %w", receipts.name(), err)
	}
	switch n, m := a.blocks.count(), a.receipts.count(); {
	case n == 0:
		return nil, wrong("there are no blocks")
	case n != m:
		return nil, wrong("%d blocks, but %s has receipts of %d", n, receipts.name(), m)
	}
	b, _, err := a.block(0)
	if err != nil {
		return nil, fmt.Errorf("the first block: %w", err)
	}
	a.first = b.Number
	return a, nil
}

// findItems goes from prefix to prefix.
func findItems(ctx context.Context, f *file) (*items, error) {
	l := &items{file: f, offsets: []int64{0}}
	for at := int64(0); at < f.size; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var prefix [9]byte
		n := min(int64(len(prefix)), f.size-at)
		if _, err := f.ReadAt(prefix[:n], at); err != nil {
			return nil, err
		}
		length := listLength(prefix[:n])
		switch {
		case length < 0:
			return nil, wrong("there is no list at byte %d", at)
		case length > f.size-at:
			return nil, cutOff(at)
		}
		at += length
		l.offsets = append(l.offsets, at)
	}
	return l, nil
}

// listLength is how many bytes a list takes that begins with a prefix, negative
// if it is none.
func listLength(prefix []byte) int64 {
	if prefix[0] < 0xc0 {
		return -1
	}
	if prefix[0] <= 0xf7 {
		return 1 + int64(prefix[0]-0xc0)
	}
	digits := int(prefix[0] - 0xf7)
	if len(prefix) < 1+digits {
		return -1
	}
	var length [8]byte
	copy(length[8-digits:], prefix[1:1+digits])
	n := binary.BigEndian.Uint64(length[:])
	if n > 1<<62 {
		return 1 << 62 // past the end of any file
	}
	return 1 + int64(digits) + int64(n)
}

func (l *items) count() int { return len(l.offsets) - 1 }

func (l *items) item(i int) ([]byte, error) {
	return l.part(l.offsets[i], l.offsets[i+1]-l.offsets[i])
}

func (a *rlpArchive) name() string   { return a.blocks.name() }
func (a *rlpArchive) origin() origin { return origin{client: "RLP archive"} }

func (a *rlpArchive) numbers() []uint64 {
	numbers := make([]uint64, a.blocks.count())
	for i := range numbers {
		numbers[i] = a.first + uint64(i)
	}
	return numbers
}

func (a *rlpArchive) block(i int) (*chain.Block, int, error) {
	block, err := a.blocks.item(i)
	if err != nil {
		return nil, 0, err
	}
	receipts, err := a.receipts.item(i)
	if err != nil {
		return nil, 0, err
	}
	b, err := chain.DecodeRLP(block, receipts)
	return b, 2 * (len(block) + len(receipts)), err // as hex
}
