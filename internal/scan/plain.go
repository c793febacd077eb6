package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The functions below look at eight bytes at a time: see "Bit Twiddling Hacks,
// determine if a word has a byte less than n".
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stringEnds gives the position after each string of a text that is plain: all of
// it is printable ASCII and nothing is escaped, so that each second quote ends a
// string. It may say no of one that is. The memory of ends is used again.
func stringEnds(text []byte, ends []int32) (_ []int32, plain bool) {
	text = bytes.TrimRight(text, " \t\r\n")
	if bytes.IndexByte(text, '\\') >= 0 {
		return ends[:0], false
	}
	ends = ends[:cap(ends)]
	quotes := 0
	for at := 0; at < len(text); at += 64 {
		found, plain := blockQuotes(text[at:])
		if !plain {
			return ends[:0], false
		}
		if len(ends) < quotes/2+33 {
			ends = append(ends, make([]int32, 64+len(text)/24)...)
		}
		for ; found != 0; found &= found - 1 {
			// An opening quote is written over by the one that closes.
			ends[quotes/2] = int32(at + bits.TrailingZeros64(found) + 1)
			quotes++
		}
	}
	return ends[:quotes/2], true
}

// blockQuotes has a bit for each of the first 64 bytes, the lowest for the
// first: whether it is a quote. plain reports whether all are printable ASCII.
func blockQuotes(text []byte) (quotes uint64, plain bool) {
	block, odd := new([64]byte), uint64(0)
	if len(text) < 64 {
		copy(block[copy(block[:], text):], blank)
	} else {
		block = (*[64]byte)(text)
	}
	for i := 0; i < 64; i += 16 {
		v, w := binary.LittleEndian.Uint64(block[i:]), binary.LittleEndian.Uint64(block[i+8:])
		odd |= v | w | (v - ones*' ') | (w - ones*' ')
		quotes = quotes>>16 | quoteBits(v)<<48 | quoteBits(w)<<56
	}
	return quotes, odd&highs == 0
}

const blank = "                                                                "

// quoteBits has a bit for each byte of w, the lowest first: whether it is a
// quote, if all are ASCII. The product moves the highest bits of the bytes next
// to each other.
func quoteBits(w uint64) uint64 {
	quote := ^(w ^ ones*'"' + ^uint64(highs)) & highs
	return quote >> 7 * 0x0102040810204080 >> 56
}

// isPlain reports whether all of text is printable ASCII, without a backslash.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}

// plainEnd is the position of the first quote, backslash or control character.
func plainEnd(text []byte, at int) int {
	for ; at+8 <= len(text); at += 8 {
		if ends := special(binary.LittleEndian.Uint64(text[at:])); ends != 0 {
			return at + bits.TrailingZeros64(ends)/8
		}
	}
	for at < len(text) && text[at] != '"' && text[at] != '\\' && text[at] >= ' ' {
		at++
	}
	return at
}

// special sets the highest bit of each byte of w that is special, or that is
// above one that is: the lowest one is right.
func special(w uint64) uint64 {
	quote, backslash := w^ones*'"', w^ones*'\\'
	return ((w-ones*' ')&^w | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}
