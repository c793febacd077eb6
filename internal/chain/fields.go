package chain

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A field is one standard key of a JSON object with its place in the Go value.
// Decoding and encoding both go by tables of fields; [Object.Shape] counts by
// their order, which is therefore part of the file format: new ones go last.
type field[T any] struct {
	key string
	// nillable values may be null or absent without being odd.
	nillable bool
	// omitted says that geth leaves the key out where the value is nil, or
	// always for a derived key.
	omitted bool
	// kept values have no column: they stay in Extra, and are read from there.
	kept bool
	// decode sets the value. exact is false if encode would not give the same
	// JSON again; the raw value is then kept beside it.
	decode func(*T, json.RawMessage) (exact bool, err error)
	// encode appends the value, or returns nil if it is nil.
	encode func(*T, []byte) []byte
}

// errMismatch marks a derived key that contradicts what it is derived from.
var errMismatch = errors.New("contradicts the block around it")

// errMisplaced marks a key that is of other objects than the one it is in.
var errMisplaced = errors.New("unknown here")

func (f field[T]) omitNil() field[T] {
	f.omitted = true
	return f
}

func quantity[T any](key string, at func(*T) *uint64) field[T] {
	return field[T]{key: key,
		decode: func(t *T, raw json.RawMessage) (exact bool, err error) {
			*at(t), exact, err = parse64(raw)
			return exact, err
		},
		encode: func(t *T, out []byte) []byte { return append64(out, *at(t)) },
	}
}

func optionalQuantity[T any](key string, at func(*T) **uint64) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			v, exact, err := parse64(raw)
			if err == nil {
				*at(t) = &v
			}
			return exact, err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return append64(out, **at(t))
		},
	}
}

func quantity256[T any](key string, at func(*T) *uint256.Int) field[T] {
	return field[T]{key: key,
		decode: func(t *T, raw json.RawMessage) (exact bool, err error) {
			*at(t), exact, err = parse256(raw)
			return exact, err
		},
		encode: func(t *T, out []byte) []byte { return append256(out, at(t)) },
	}
}

func optionalQuantity256[T any](key string, at func(*T) **uint256.Int) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			v, exact, err := parse256(raw)
			if err == nil {
				*at(t) = &v
			}
			return exact, err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return append256(out, *at(t))
		},
	}
}

// inColumn keeps, beside it, a value that does not fit a signed column of the
// database.
func inColumn[T any](f field[T], at func(*T) *uint256.Int) field[T] {
	decode := f.decode
	f.decode = func(t *T, raw json.RawMessage) (bool, error) {
		exact, err := decode(t, raw)
		v := at(t)
		return exact && (v == nil || v.LtUint64(1<<63)), err
	}
	return f
}

// needed makes a value that can't be read an error of the whole object.
func needed[T any](f field[T]) field[T] {
	decode := f.decode
	f.decode = func(t *T, raw json.RawMessage) (bool, error) {
		exact, err := decode(t, raw)
		if err != nil {
			return false, invalid(fmt.Errorf("%s: %w", f.key, err))
		}
		return exact, nil
	}
	return f
}

// fixed is data of a known length: slice gives the bytes to fill.
func fixed[T any](key string, slice func(*T) []byte) field[T] {
	return field[T]{key: key,
		decode: func(t *T, raw json.RawMessage) (bool, error) { return true, parseFixed(raw, slice(t)) },
		encode: func(t *T, out []byte) []byte { return appendBytes(out, slice(t)) },
	}
}

func optionalHash[T any](key string, at func(*T) **common.Hash) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			var h common.Hash
			err := parseFixed(raw, h[:])
			if err == nil {
				*at(t) = &h
			}
			return true, err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return appendBytes(out, (*at(t))[:])
		},
	}
}

func optionalAddress[T any](key string, at func(*T) **common.Address) field[T] {
	return field[T]{key: key, nillable: true,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			var a common.Address
			err := parseFixed(raw, a[:])
			if err == nil {
				*at(t) = &a
			}
			return true, err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return appendBytes(out, (*at(t))[:])
		},
	}
}

func data[T any](key string, at func(*T) *[]byte) field[T] {
	return field[T]{key: key,
		decode: func(t *T, raw json.RawMessage) (exact bool, err error) {
			*at(t), err = parseBytes(raw)
			return true, err
		},
		encode: func(t *T, out []byte) []byte { return appendBytes(out, *at(t)) },
	}
}

// hashList is an array of hashes; nil if the key is absent.
func hashList[T any](key string, at func(*T) *[]common.Hash) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			hashes, err := parseHashes(raw)
			if err == nil {
				*at(t) = hashes
			}
			return !isNull(raw), err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return appendHashes(out, *at(t))
		},
	}
}

// derived is a key whose value follows from the block around the object. A
// value in another form is kept; one that differs is a mismatch.
func derived[T any](key string, want func(*T, []byte) []byte) field[T] {
	return field[T]{key: key,
		decode: func(t *T, raw json.RawMessage) (bool, error) {
			if w := want(t, nil); string(w) != string(raw) && !sameValue(w, raw) {
				return false, fmt.Errorf("%s %.80s: %w", key, raw, errMismatch)
			}
			return len(raw) > 0 && (raw[0] < '0' || raw[0] > '9'), nil
		},
		encode: want,
	}
}

// sameValue compares a derived value, as we would write it, with the node's.
func sameValue(want []byte, raw json.RawMessage) bool {
	if digits, err := hexDigits(want); err == nil && len(digits) < 40 {
		w, _, werr := parse256(want)
		got, _, err := parse256(raw)
		return werr == nil && err == nil && w == got
	}
	w, werr := parseBytes(want)
	got, err := parseBytes(raw)
	return werr == nil && err == nil && string(w) == string(got)
}

func parseHashes(raw json.RawMessage) ([]common.Hash, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	hashes := make([]common.Hash, len(items))
	for i, item := range items {
		if err := parseFixed(item, hashes[i][:]); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func appendHashes(out []byte, hashes []common.Hash) []byte {
	out = append(out, '[')
	for i := range hashes {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendBytes(out, hashes[i][:])
	}
	return append(out, ']')
}

// lift makes fields of an outer value from those of a part of it.
func lift[Outer, Inner any](fields []field[Inner], part func(*Outer) *Inner) []field[Outer] {
	lifted := make([]field[Outer], len(fields))
	for i, f := range fields {
		lifted[i] = field[Outer]{key: f.key, nillable: f.nillable, omitted: f.omitted, kept: f.kept,
			decode: func(o *Outer, raw json.RawMessage) (bool, error) { return f.decode(part(o), raw) },
			encode: func(o *Outer, out []byte) []byte { return f.encode(part(o), out) },
		}
	}
	return lifted
}
