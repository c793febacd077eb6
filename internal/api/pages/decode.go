package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
)

// Limits of what is written of decoded data. Offsets in it may all point to one
// place, so that a short text stands for one that no machine can hold: what is
// past a limit is not even read.
const (
	mostElements = 50   // of a list
	mostWritten  = 8192 // characters of all arguments of a call
)

var errNotFitting = errors.New("the data is not of the types")

// A decoder writes out the values that foreign data has by the contract ABI, as
// far as that is allowed to be long. What it accepts, a contract would.
type decoder struct {
	data []byte
	left int // characters that may still be written
}

// values writes the values of parameters that begin at a place.
func (d *decoder) values(of []parameter) ([]string, error) {
	all := make([]string, len(of))
	at := 0
	for i, p := range of {
		var out strings.Builder
		if err := d.value(&out, p.abiType, 0, at); err != nil {
			return nil, err
		}
		all[i] = out.String()
		at += p.words * 32
	}
	return all, nil
}

// value writes the value whose place is at; offsets count from base.
func (d *decoder) value(out *strings.Builder, t *abiType, base, at int) error {
	if d.left <= 0 {
		d.write(out, "…")
		return nil
	}
	if t.dynamic {
		offset, err := d.number(at)
		if err != nil {
			return err
		}
		at = base + offset
	}
	switch t.kind {
	case kindBytes, kindString:
		return d.bytes(out, t, at)
	case kindList:
		n, err := d.number(at)
		if err != nil {
			return err
		}
		return d.list(out, t.element, at+32, n)
	case kindArray:
		return d.list(out, t.element, at, t.size)
	case kindTuple:
		return d.tuple(out, t.fields, at)
	}
	word, err := d.word(at)
	if err != nil {
		return err
	}
	text, ok := wordText(t, word)
	if !ok {
		return errNotFitting
	}
	d.write(out, text)
	return nil
}

func (d *decoder) write(out *strings.Builder, text string) {
	out.WriteString(text)
	d.left -= len(text)
}

// word gives the 32 bytes at a place.
func (d *decoder) word(at int) ([]byte, error) {
	if at > len(d.data)-32 {
		return nil, errNotFitting
	}
	return d.data[at : at+32], nil
}

// number reads an offset or a length, neither of which can be more than there is
// data: sums of a few of them overflow nothing.
func (d *decoder) number(at int) (int, error) {
	word, err := d.word(at)
	if err != nil {
		return 0, err
	}
	n := new(uint256.Int).SetBytes32(word)
	if !n.IsUint64() || n.Uint64() > uint64(len(d.data)) {
		return 0, errNotFitting
	}
	return int(n.Uint64()), nil
}

// bytes writes bytes or a text, which has its length before it.
func (d *decoder) bytes(out *strings.Builder, t *abiType, at int) error {
	n, err := d.number(at)
	if err != nil {
		return err
	}
	if n > len(d.data)-at-32 {
		return errNotFitting
	}
	content := d.data[at+32 : at+32+n]
	if t.kind == kindString {
		d.write(out, plain(string(content[:min(n, 4*mostText+4)]))) // longer than what plain leaves
		return nil
	}
	text := hexutil.Encode(content[:min(n, mostText/2)])
	if more := n - mostText/2; more > 0 {
		text += fmt.Sprintf("… %s more", byteCount(more))
	}
	d.write(out, text)
	return nil
}

// list writes n elements, the first of which is at a place.
func (d *decoder) list(out *strings.Builder, element *abiType, at, n int) error {
	if n*element.words*32 > len(d.data)-at {
		return errNotFitting
	}
	d.write(out, "[")
	for i := range n {
		if i > 0 {
			d.write(out, ", ")
		}
		if i == mostElements || d.left <= 0 {
			d.write(out, fmt.Sprintf("… %d more", n-i))
			break
		}
		if err := d.value(out, element, at, at+i*element.words*32); err != nil {
			return err
		}
	}
	d.write(out, "]")
	return nil
}

// tuple writes the fields of a tuple that begins at a place.
func (d *decoder) tuple(out *strings.Builder, fields []parameter, base int) error {
	d.write(out, "{")
	at := base
	for i, f := range fields {
		if i > 0 {
			d.write(out, ", ")
		}
		if f.name != "" {
			d.write(out, plain(f.name)+": ")
		}
		if err := d.value(out, f.abiType, base, at); err != nil {
			return err
		}
		at += f.words * 32
	}
	d.write(out, "}")
	return nil
}

// wordText writes a value of one word; not ok if the type has no such value.
func wordText(t *abiType, word []byte) (text string, ok bool) {
	switch t.kind {
	case kindUint:
		n := new(uint256.Int).SetBytes32(word)
		return n.Dec(), n.BitLen() <= t.size
	case kindInt:
		n := new(big.Int).SetBytes(word)
		if word[0]>>7 == 1 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 256))
		}
		return n.String(), signedBits(n) <= t.size
	case kindBool:
		n := binary.BigEndian.Uint64(word[24:])
		return fmt.Sprint(n == 1), n <= 1 && zero(word[:24])
	case kindAddress:
		return hexutil.Encode(word[12:]), zero(word[:12])
	case kindFixedBytes:
		return hexutil.Encode(word[:t.size]), zero(word[t.size:])
	}
	return "", false
}

// signedBits is how many bits n takes in two's complement.
func signedBits(n *big.Int) int {
	if n.Sign() < 0 {
		n = new(big.Int).Not(n)
	}
	return n.BitLen() + 1
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
