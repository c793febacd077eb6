package chain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
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
)

// hexDigits gives what follows 0x in a JSON string.
func hexDigits(raw json.RawMessage) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errNotHex
	}
	s := []byte(raw[1 : len(raw)-1])
	if bytes.IndexByte(s, '\\') >= 0 {
		var unescaped string
		if err := json.Unmarshal(raw, &unescaped); err != nil {
			return nil, err
		}
		s = []byte(unescaped)
	}
	if len(s) < 2 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X') {
		return nil, errNotHex
	}
	return s[2:], nil
}

// parse256 reads a quantity: hex with or without leading zeros or, as some
// nodes write, a bare number. hexForm is false for the latter.
func parse256(raw json.RawMessage) (v uint256.Int, hexForm bool, err error) {
	if len(raw) > 0 && raw[0] >= '0' && raw[0] <= '9' {
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
	var padded [64]byte
	copy(padded[:], "0000000000000000000000000000000000000000000000000000000000000000")
	copy(padded[64-len(digits):], digits)
	var b [32]byte
	if _, err := hex.Decode(b[:], padded[:]); err != nil {
		return v, false, fmt.Errorf("quantity %.40s: %w", raw, errNotHex)
	}
	v.SetBytes32(b[:])
	return v, true, nil
}

// parse64 reads a quantity of up to 64 bits. inColumn is false if the value
// came as a bare number or does not fit a signed column of the database.
func parse64(raw json.RawMessage) (v uint64, inColumn bool, err error) {
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
func parseSmall(raw json.RawMessage) (uint64, bool) {
	if len(raw) < 5 || len(raw) > 19 || raw[1] != '0' || raw[2] != 'x' || raw[0] != '"' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(raw[3:len(raw)-1]), 16, 63)
	return v, err == nil
}

func parseBytes(raw json.RawMessage) ([]byte, error) {
	digits, err := hexDigits(raw)
	if err != nil {
		return nil, fmt.Errorf("data %.40s: %w", raw, err)
	}
	b := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(b, digits); err != nil {
		return nil, fmt.Errorf("data %.40s: %w", raw, err)
	}
	return b, nil
}

// parseFixed reads data of exactly len(into) bytes.
func parseFixed(raw json.RawMessage, into []byte) error {
	digits, err := hexDigits(raw)
	if err != nil {
		return fmt.Errorf("data %.40s: %w", raw, err)
	}
	if len(digits) != 2*len(into) {
		return fmt.Errorf("data %.40s: %w", raw, errBadLength)
	}
	if _, err := hex.Decode(into, digits); err != nil {
		return fmt.Errorf("data %.40s: %w", raw, err)
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
