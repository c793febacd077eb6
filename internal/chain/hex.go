package chain

import "encoding/binary"

// hexValue is the value of each digit, above 15 for what is none.
var hexValue = func() (value [256]byte) {
	for i := range value {
		value[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		value[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		value[c] = byte(10 + i)
	}
	return value
}()

// decodeHex fills out from twice as many digits. It reports whether all of
// them are; if not, what is in out is of no use. It takes eight digits at a
// time, as nearly all of a block's JSON is hex.
func decodeHex(out, digits []byte) bool {
	odd := uint64(0)
	for len(out) >= 4 && len(digits) >= 8 {
		w := binary.LittleEndian.Uint64(digits)
		odd |= w | ^hexDigitsOf(w)
		binary.LittleEndian.PutUint32(out, packHex(w))
		out, digits = out[4:], digits[8:]
	}
	ok := odd&highs == 0
	for i := range out {
		high, low := hexValue[digits[2*i]], hexValue[digits[2*i+1]]
		out[i] = high<<4 | low
		ok = ok && high|low < 16
	}
	return ok
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// hexDigitsOf sets the highest bit of each byte that is a digit, if no byte
// has it set. To add 0x80-n to a byte sets that bit if it is n or more.
func hexDigitsOf(w uint64) uint64 {
	letters := w | ones*0x20 // in lower case
	decimal := (w + ones*(0x80-'0')) &^ (w + ones*(0x80-'9'-1))
	return decimal | (letters+ones*(0x80-'a'))&^(letters+ones*(0x80-'f'-1))
}

// packHex gives the four bytes that eight digits are.
func packHex(w uint64) uint32 {
	w = w&(ones*0x0f) + w>>6&ones*9 // a letter's low bits are 1 to 6
	w = (w<<4 | w>>8) & 0x00ff00ff00ff00ff
	w = (w | w>>8) & 0x0000ffff0000ffff
	return uint32(w | w>>16)
}
