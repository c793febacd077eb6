package chain

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// Each byte is taken for a digit, or not, in each place among others.
func TestDecodeHex(t *testing.T) {
	for place := range 20 {
		for c := range 256 {
			digits := []byte("0123456789abcdefABCDEF99")[:20]
			digits[place] = byte(c)
			got, want := make([]byte, 10), make([]byte, 10)
			ok := decodeHex(got, digits)
			if _, err := hex.Decode(want, digits); ok != (err == nil) || ok && !bytes.Equal(got, want) {
				t.Errorf("%q: %x, %v, want %x, %v", digits, got, ok, want, err)
			}
		}
	}
}
