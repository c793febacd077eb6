package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// An rlpReader takes values off RLP, one after the other. After an error, which
// stays, it gives zero values. It points into the data and makes nothing larger
// than that, whatever lengths the data tells.
type rlpReader struct {
	rest []byte
	err  error
}

func (r *rlpReader) fail(err error) {
	if r.err == nil && err != nil {
		r.err, r.rest = err, nil
	}
}

// more reports whether there is another value.
func (r *rlpReader) more() bool { return len(r.rest) > 0 }

// end says that there must be no more.
func (r *rlpReader) end() {
	if r.more() {
		r.fail(fmt.Errorf("%d bytes too many", len(r.rest)))
	}
}

func (r *rlpReader) list() rlpReader {
	content, rest, err := rlp.SplitList(r.rest)
	if err != nil {
		r.fail(err)
		return rlpReader{err: err}
	}
	r.rest = rest
	return rlpReader{rest: content}
}

func (r *rlpReader) bytes() []byte {
	content, rest, err := rlp.SplitString(r.rest)
	if err != nil {
		r.fail(err)
		return nil
	}
	r.rest = rest
	return content
}

func (r *rlpReader) fixed(into []byte) {
	if b := r.bytes(); len(b) == len(into) {
		copy(into, b)
	} else if r.err == nil {
		r.fail(fmt.Errorf("%d bytes instead of %d", len(b), len(into)))
	}
}

func (r *rlpReader) uint() uint64 {
	v, rest, err := rlp.SplitUint64(r.rest)
	if err != nil {
		r.fail(err)
		return 0
	}
	r.rest = rest
	return v
}

func (r *rlpReader) quantity() (v uint256.Int) {
	b := r.bytes()
	switch {
	case len(b) > 32:
		r.fail(errTooLarge)
	case len(b) > 0 && b[0] == 0:
		r.fail(errors.New("leading zero in a number"))
	}
	v.SetBytes(b)
	return v
}

// optional is a quantity that other types do not have.
func (r *rlpReader) optional() *uint256.Int {
	v := r.quantity()
	return &v
}

func (r *rlpReader) hash() *common.Hash {
	var h common.Hash
	r.fixed(h[:])
	return &h
}

func (r *rlpReader) hashes() []common.Hash {
	list := []common.Hash{}
	in := r.list()
	for in.more() {
		list = append(list, *in.hash())
	}
	r.fail(in.err)
	return list
}

// address is nil for an empty string.
func (r *rlpReader) address() *common.Address {
	b := r.bytes()
	switch len(b) {
	case 0:
		return nil
	case common.AddressLength:
		a := common.BytesToAddress(b)
		return &a
	}
	r.fail(fmt.Errorf("%d bytes instead of an address", len(b)))
	return nil
}
