package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/scan"
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
	// required keys are in every object of its kind. One that lacks it is wrong
	// if it does not match.
	required bool
	// decode sets the value. exact is false if encode would not give the same
	// JSON again; the raw value is then kept beside it.
	decode func(d *decoder, t *T, value scan.Value) (exact bool, err error)
	// encode appends the value, or returns nil if it is nil.
	encode func(*T, []byte) []byte
}

// errMisplaced marks a key that is of other objects than the one it is in.
var errMisplaced = errors.New("unknown here")

func (f field[T]) omitNil() field[T] {
	f.omitted = true
	return f
}

func quantity[T any](key string, at func(*T) *uint64) field[T] {
	return field[T]{key: key, required: true,
		decode: func(d *decoder, t *T, value scan.Value) (exact bool, err error) {
			*at(t), exact, err = parse64(d.text.Plain(value))
			return exact, err
		},
		encode: func(t *T, out []byte) []byte { return append64(out, *at(t)) },
	}
}

func optionalQuantity[T any](key string, at func(*T) **uint64) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			v, exact, err := parse64(d.text.Plain(value))
			if err == nil {
				*at(t) = d.numbers.one(v)
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
	return field[T]{key: key, required: true,
		decode: func(d *decoder, t *T, value scan.Value) (exact bool, err error) {
			*at(t), exact, err = parse256(d.text.Plain(value))
			return exact, err
		},
		encode: func(t *T, out []byte) []byte { return append256(out, at(t)) },
	}
}

func optionalQuantity256[T any](key string, at func(*T) **uint256.Int) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			v, exact, err := parse256(d.text.Plain(value))
			if err == nil {
				*at(t) = d.quantities.one(v)
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
	f.decode = func(d *decoder, t *T, value scan.Value) (bool, error) {
		exact, err := decode(d, t, value)
		v := at(t)
		return exact && (v == nil || v.LtUint64(1<<63)), err
	}
	return f
}

// needed makes a value that can't be read an error of the whole object.
func needed[T any](f field[T]) field[T] {
	decode := f.decode
	f.decode = func(d *decoder, t *T, value scan.Value) (bool, error) {
		exact, err := decode(d, t, value)
		if err != nil {
			return false, invalid(fmt.Errorf("%s: %w", f.key, err))
		}
		return exact, nil
	}
	return f
}

// fixed is data of a known length: slice gives the bytes to fill.
func fixed[T any](key string, slice func(*T) []byte) field[T] {
	return field[T]{key: key, required: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			return true, parseFixed(d.text.Plain(value), slice(t))
		},
		encode: func(t *T, out []byte) []byte { return appendBytes(out, slice(t)) },
	}
}

func optionalHash[T any](key string, at func(*T) **common.Hash) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			var h common.Hash
			err := parseFixed(d.text.Plain(value), h[:])
			if err == nil {
				*at(t) = d.hashes.one(h)
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
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			var a common.Address
			err := parseFixed(d.text.Plain(value), a[:])
			if err == nil {
				*at(t) = d.addresses.one(a)
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
	return field[T]{key: key, required: true,
		decode: func(d *decoder, t *T, value scan.Value) (exact bool, err error) {
			*at(t), err = d.parseBytes(d.text.Plain(value))
			return true, err
		},
		encode: func(t *T, out []byte) []byte { return appendBytes(out, *at(t)) },
	}
}

// hashList is an array of hashes; nil if the key is absent.
func hashList[T any](key string, at func(*T) *[]common.Hash) field[T] {
	return field[T]{key: key, nillable: true, omitted: true,
		decode: func(d *decoder, t *T, value scan.Value) (bool, error) {
			hashes, err := d.parseHashes(value)
			if err == nil {
				*at(t) = hashes
			}
			return !d.isNull(value), err
		},
		encode: func(t *T, out []byte) []byte {
			if *at(t) == nil {
				return nil
			}
			return appendHashes(out, *at(t))
		},
	}
}

func (d *decoder) parseHashes(list scan.Value) ([]common.Hash, error) {
	items, err := d.elements(list)
	if err != nil {
		return nil, err
	}
	defer d.drop(items)
	hashes := d.hashes.take(len(items))
	for i, item := range items {
		if err := parseFixed(d.text.Plain(item), hashes[i][:]); err != nil {
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
		lifted[i] = field[Outer]{key: f.key, nillable: f.nillable, omitted: f.omitted, kept: f.kept, required: f.required,
			decode: func(d *decoder, o *Outer, value scan.Value) (bool, error) { return f.decode(d, part(o), value) },
			encode: func(o *Outer, out []byte) []byte { return f.encode(part(o), out) },
		}
	}
	return lifted
}
