package chain

import (
	"errors"
	"fmt"
	"strconv"

	"gapless/internal/scan"
)

// This file has the fields whose values follow from the block around the
// object. A value in another form is kept; one that differs is a mismatch.

// errMismatch marks a derived key that contradicts what it is derived from.
var errMismatch = errors.New("contradicts the block around it")

func mismatch(key string, raw []byte) error {
	return fmt.Errorf("%s %.80s: %w", key, raw, errMismatch)
}

// derivedBytes is a hash or an address that follows.
func derivedBytes[T any](key string, want func(*T) []byte) field[T] {
	return field[T]{key: key,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			if !sameBytes(d.text.Plain(value), want(t)) {
				return false, mismatch(key, d.text.Raw(value))
			}
			return true, nil
		},
		encode: func(t *T, out []byte) []byte { return appendBytes(out, want(t)) },
	}
}

func sameBytes(raw, want []byte) bool {
	var room [32]byte
	got := room[:len(want)]
	return parseFixed(raw, got) == nil && string(got) == string(want)
}

// derivedQuantity is a number that follows.
func derivedQuantity[T any](key string, want func(*T) uint64) field[T] {
	return field[T]{key: key,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			got, _, err := parse64(d.text.Plain(value))
			switch {
			case errors.Is(err, errNoNumber):
				return false, err
			case err != nil || got != want(t):
				return false, mismatch(key, d.text.Raw(value))
			}
			return d.text.Raw(value)[0] == '"', nil
		},
		encode: func(t *T, out []byte) []byte { return append64(out, want(t)) },
	}
}

// derivedText is a value that follows, and has one form only.
func derivedText[T any](key, want string) field[T] {
	return field[T]{key: key,
		decode: func(d *decoder, _ *T, value scan.Value) (bool, error) {
			if string(d.text.Raw(value)) != want {
				return false, mismatch(key, d.text.Raw(value))
			}
			return true, nil
		},
		encode: func(_ *T, out []byte) []byte { return append(out, want...) },
	}
}

// derivedBool is true or false as follows.
func derivedBool[T any](key string, want func(*T) bool) field[T] {
	return field[T]{key: key,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			var room [len("false")]byte
			if raw := d.text.Raw(value); string(raw) != string(strconv.AppendBool(room[:0], want(t))) {
				return false, mismatch(key, raw)
			}
			return true, nil
		},
		encode: func(t *T, out []byte) []byte { return strconv.AppendBool(out, want(t)) },
	}
}

// derivedTo is the recipient of a receipt's transaction.
func derivedTo() field[transactionView] {
	return field[transactionView]{key: "to",
		decode: func(d *decoder, v *transactionView, value scan.Value) (bool, error) {
			to := v.tx.To
			if to == nil && !d.isNull(value) || to != nil && !sameBytes(d.text.Plain(value), to[:]) {
				return false, mismatch("to", d.text.Raw(value))
			}
			return true, nil
		},
		encode: (*transactionView).appendTo,
	}
}

func (v *transactionView) appendTo(out []byte) []byte {
	if v.tx.To == nil {
		return append(out, "null"...)
	}
	return appendBytes(out, v.tx.To[:])
}
