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

// isPlain reports whether all of text is printable ASCII, without a backslash.
// It may say no of one that is.
func isPlain(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	if bytes.IndexByte(text, '\\') >= 0 {
		return false
	}
	odd := uint64(0)
	for ; len(text) >= 32; text = text[32:] {
		a, b := binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[8:])
		c, d := binary.LittleEndian.Uint64(text[16:]), binary.LittleEndian.Uint64(text[24:])
		odd |= a | b | c | d | (a - ones*' ') | (b - ones*' ') | (c - ones*' ') | (d - ones*' ')
	}
	for _, c := range text {
		odd |= uint64(c) | (uint64(c) - ' ')
	}
	return odd&highs == 0
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
