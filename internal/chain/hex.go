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
// them are; if not, what is in out is of no use. It takes sixteen digits at a
// time, as nearly all of a block's JSON is hex.
func decodeHex(out, digits []byte) bool {
	odd := uint64(0)
	for len(out) >= 8 && len(digits) >= 16 {
		v, w := binary.LittleEndian.Uint64(digits), binary.LittleEndian.Uint64(digits[8:])
		odd |= notHex(v) | notHex(w)
		binary.LittleEndian.PutUint64(out, packHex(v)|packHex(w)<<32)
		out, digits = out[8:], digits[16:]
	}
	if len(out) >= 4 && len(digits) >= 8 {
		w := binary.LittleEndian.Uint64(digits)
		odd |= notHex(w)
		binary.LittleEndian.PutUint32(out, uint32(packHex(w)))
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

// notHex sets the highest bit of a byte, or more, if any byte of w is no digit.
// To add 0x80-n to a byte below 0x80 sets that bit if it is n or more.
func notHex(w uint64) uint64 {
	letters := w | ones*0x20 // in lower case
	decimal := (w + ones*(0x80-'0')) &^ (w + ones*(0x80-'9'-1))
	return w | ^(decimal | (letters+ones*(0x80-'a'))&^(letters+ones*(0x80-'f'-1)))
}

// packHex gives the four bytes that eight digits are.
func packHex(w uint64) uint64 {
	w = w&(ones*0x0f) + w>>6&ones*9 // a letter's low bits are 1 to 6
	w = (w<<4 | w>>8) & 0x00ff00ff00ff00ff
	w = (w | w>>8) & 0x0000ffff0000ffff
	return (w | w>>16) & 0xffffffff
}
