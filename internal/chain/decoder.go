package chain

import (
	"reflect"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/scan"
)

// A decoder has the memory for what answers are decoded to. A block has
// thousands of small values that come and go together, so that they are not
// allocated one by one.
type decoder struct {
	text scan.Text // the answer, or an Extra

	numbers    slab[uint64]
	quantities slab[uint256.Int]
	hashes     slab[common.Hash]
	addresses  slab[common.Address]
	blooms     slab[Bloom]
	logs       slab[Log]
	data       slab[byte]

	view transactionView // of the transaction or receipt that is decoded
	log  logView         // of the log that is decoded

	items []scan.Value // of the arrays that are decoded
}

// decoders are not in use: a block uses up what memory the one before left.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// newDecoder gives a decoder, to be freed. Nothing that it made is used again.
func newDecoder() *decoder { return decoders.Get().(*decoder) }

func (d *decoder) free() {
	d.view, d.log, d.items = transactionView{}, logView{}, d.items[:0]
	_ = d.text.Parse(nil) // which keeps no answer
	decoders.Put(d)
}

// A slab gives out parts of larger pieces of memory, each of which is twice as
// large as the one before.
type slab[T any] struct {
	free []T
	size int // of the last piece, in values
}

// Sizes of the pieces, in bytes.
const (
	firstPiece = 256
	mostPiece  = 16 << 10
)

// take gives n zero values.
func (s *slab[T]) take(n int) []T {
	if n == 0 {
		return []T{}
	}
	if len(s.free) < n {
		each := int(reflect.TypeFor[T]().Size())
		if n > mostPiece/each {
			return make([]T, n) // by itself: the decoder outlives it
		}
		s.size = min(max(firstPiece/each, 2*s.size), mostPiece/each)
		s.free = make([]T, max(n, s.size))
	}
	taken := s.free[:n:n]
	s.free = s.free[n:]
	return taken
}

func (s *slab[T]) one(v T) *T {
	p := &s.take(1)[0]
	*p = v
	return p
}
