package chain

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/holiman/uint256"
)

var (
	errNotHex    = errors.New("not a hex string")
	errTooLarge  = errors.New("too large")
	errBadLength = errors.New("wrong length")
	errNoNumber  = errors.New("not a whole number")
)

// hexDigits gives what follows 0x in a JSON string that has no escapes.
func hexDigits(raw []byte) ([]byte, error) {
	if len(raw) < 4 || raw[0] != '"' || raw[1] != '0' || raw[2]|0x20 != 'x' {
		return nil, errNotHex
	}
	return raw[3 : len(raw)-1], nil
}

// parse256 reads a quantity: hex with or without leading zeros or, as some
// nodes write, a bare number. hexForm is false for the latter.
func parse256(raw []byte) (v uint256.Int, hexForm bool, err error) {
	if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		if len(bytes.Trim(raw, "0123456789")) > 0 {
			return v, false, fmt.Errorf("quantity %.40s: %w", raw, errNoNumber)
		}
		if err := v.SetFromDecimal(string(raw)); err != nil {
			return v, false, fmt.Errorf("quantity %.40s: %w", raw, err)
		}
		return v, false, nil
	}
	digits, err := hexDigits(raw)
	if err != nil {
		return v, false, fmt.Errorf("quantity %.40s: %w", raw, err)
	}
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) > 64 {
		return v, false, fmt.Errorf("quantity %.40s: %w", raw, errTooLarge)
	}
	ok := true
	for i := range v {
		word := digits[max(0, len(digits)-16):]
		digits = digits[:len(digits)-len(word)]
		v[i], ok = parseWord(word, ok)
	}
	if !ok {
		return uint256.Int{}, false, fmt.Errorf("quantity %.40s: %w", raw, errNotHex)
	}
	return v, true, nil
}

// parseWord reads up to 16 digits; ok is false if it was or one is none.
func parseWord(digits []byte, ok bool) (v uint64, _ bool) {
	if len(digits) == 16 {
		var b [8]byte
		ok = decodeHex(b[:], digits) && ok
		return binary.BigEndian.Uint64(b[:]), ok
	}
	odd := byte(0)
	for _, c := range digits {
		digit := hexValue[c]
		odd |= digit
		v = v<<4 | uint64(digit)
	}
	return v, ok && odd < 16
}

// parse64 reads a quantity of up to 64 bits. inColumn is false if the value
// came as a bare number or does not fit a signed column of the database.
func parse64(raw []byte) (v uint64, inColumn bool, err error) {
	if v, ok := parseSmall(raw); ok {
		return v, true, nil
	}
	q, hexForm, err := parse256(raw)
	if err != nil {
		return 0, false, err
	}
	if !q.IsUint64() {
		return 0, false, fmt.Errorf("quantity %.40s: %w", raw, errTooLarge)
	}
	return q.Uint64(), hexForm && q.Uint64() <= math.MaxInt64, nil
}

// parseSmall is the quick way for "0x…" of up to 15 digits.
func parseSmall(raw []byte) (uint64, bool) {
	if len(raw) < 5 || len(raw) > 19 || raw[1] != '0' || raw[2] != 'x' || raw[0] != '"' {
		return 0, false
	}
	return parseWord(raw[3:len(raw)-1], true)
}

func (d *decoder) parseBytes(raw []byte) ([]byte, error) {
	digits, err := hexDigits(raw)
	if err != nil {
		return nil, fmt.Errorf("data %.40s: %w", raw, err)
	}
	if len(digits)%2 != 0 {
		return nil, fmt.Errorf("data %.40s: %w", raw, errBadLength)
	}
	b := d.data.take(len(digits) / 2)
	if !decodeHex(b, digits) {
		return nil, fmt.Errorf("data %.40s: %w", raw, errNotHex)
	}
	return b, nil
}

// parseFixed reads data of exactly len(into) bytes. What can't be read counts as
// none.
func parseFixed(raw []byte, into []byte) error {
	digits, err := hexDigits(raw)
	if err != nil {
		return fmt.Errorf("data %.40s: %w", raw, err)
	}
	if len(digits) != 2*len(into) {
		return fmt.Errorf("data %.40s: %w", raw, errBadLength)
	}
	if !decodeHex(into, digits) {
		clear(into)
		return fmt.Errorf("data %.40s: %w", raw, errNotHex)
	}
	return nil
}

func append64(out []byte, v uint64) []byte {
	out = append(out, `"0x`...)
	out = strconv.AppendUint(out, v, 16)
	return append(out, '"')
}

func append256(out []byte, v *uint256.Int) []byte {
	out = append(out, '"')
	out = append(out, v.Hex()...)
	return append(out, '"')
}

func appendBytes(out, b []byte) []byte {
	out = append(out, `"0x`...)
	out = hex.AppendEncode(out, b)
	return append(out, '"')
}
