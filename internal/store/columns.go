package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// A column binds a column of a table to a place in a Go value, for writing
// (driver.Valuer) as for reading (sql.Scanner), so that the two can't differ.
type column struct {
	name string
	at   any
}

// fixed is a BLOB of known length.
type fixed []byte

func (c fixed) Value() (driver.Value, error) { return []byte(c), nil }

func (c fixed) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(c) {
		return fmt.Errorf("%T of unexpected length", src)
	}
	copy(c, b)
	return nil
}

// optFixed is a hash or address that may be NULL.
type optFixed[T ~[20]byte | ~[32]byte] struct{ p **T }

func (c optFixed[T]) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	v := **c.p
	switch v := any(v).(type) {
	case common.Hash:
		return v[:], nil
	case common.Address:
		return v[:], nil
	}
	return nil, fmt.Errorf("%T in a column", v)
}

func (c optFixed[T]) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	b, ok := src.([]byte)
	v := new(T)
	if !ok || len(b) != len(*v) {
		return fmt.Errorf("%T of unexpected length", src)
	}
	for i := range b {
		(*v)[i] = b[i]
	}
	*c.p = v
	return nil
}

// bloom is a filter that is NULL if no bit is set.
type bloom struct{ p *chain.Bloom }

func (c bloom) Value() (driver.Value, error) {
	if *c.p == (chain.Bloom{}) {
		return nil, nil
	}
	return c.p[:], nil
}

func (c bloom) Scan(src any) error {
	*c.p = chain.Bloom{}
	if src == nil {
		return nil
	}
	return fixed(c.p[:]).Scan(src)
}

// optBloom is a filter that may be NULL.
type optBloom struct{ p **chain.Bloom }

func (c optBloom) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	return (*c.p)[:], nil
}

func (c optBloom) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	*c.p = new(chain.Bloom)
	return fixed((*c.p)[:]).Scan(src)
}

// blob is a BLOB of any length.
type blob struct{ p *[]byte }

func (c blob) Value() (driver.Value, error) {
	if *c.p == nil {
		return []byte{}, nil
	}
	return *c.p, nil
}

func (c blob) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok && src != nil {
		return fmt.Errorf("%T instead of a blob", src)
	}
	*c.p = append([]byte{}, b...)
	return nil
}

// hashes is a BLOB of 32 bytes for each hash, NULL for a nil list.
type hashes struct{ p *[]common.Hash }

func (c hashes) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	out := make([]byte, 0, 32*len(*c.p))
	for _, h := range *c.p {
		out = append(out, h[:]...)
	}
	return out, nil
}

func (c hashes) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	b, ok := src.([]byte)
	if !ok || len(b)%32 != 0 {
		return fmt.Errorf("%T instead of hashes", src)
	}
	*c.p = make([]common.Hash, 0, len(b)/32)
	for h := range slices.Chunk(b, 32) {
		*c.p = append(*c.p, common.Hash(h))
	}
	return nil
}

// integer is a quantity of 64 bits in a signed column. One past 63 bits is cut
// to the largest; its true value is in the row's extra.
type integer struct{ p *uint64 }

func (c integer) Value() (driver.Value, error) { return int64(min(*c.p, math.MaxInt64)), nil }

func (c integer) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T instead of an integer", src)
	}
	*c.p = uint64(v)
	return nil
}

type optInteger struct{ p **uint64 }

func (c optInteger) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	return integer{*c.p}.Value()
}

func (c optInteger) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	*c.p = new(uint64)
	return integer{*c.p}.Scan(src)
}

// checks is a set of checks.
type checks struct{ p *chain.Check }

func (c checks) Value() (driver.Value, error) { return int64(*c.p), nil }

func (c checks) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T instead of checks", src)
	}
	*c.p = chain.Check(v)
	return nil
}

// wide is a quantity of 256 bits in an integer column; cut as integer is.
type wide struct{ p *uint256.Int }

func (c wide) Value() (driver.Value, error) {
	if !c.p.LtUint64(math.MaxInt64) {
		return int64(math.MaxInt64), nil
	}
	return int64(c.p.Uint64()), nil
}

func (c wide) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T instead of an integer", src)
	}
	c.p.SetUint64(uint64(v))
	return nil
}

type optWide struct{ p **uint256.Int }

func (c optWide) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	return wide{*c.p}.Value()
}

func (c optWide) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	*c.p = new(uint256.Int)
	return wide{*c.p}.Scan(src)
}

// decimal is a quantity of 256 bits as canonical TEXT.
type decimal struct{ p *uint256.Int }

func (c decimal) Value() (driver.Value, error) { return c.p.Dec(), nil }

func (c decimal) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T instead of a decimal", src)
	}
	return c.p.SetFromDecimal(s)
}

type optDecimal struct{ p **uint256.Int }

func (c optDecimal) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	return (*c.p).Dec(), nil
}

func (c optDecimal) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	*c.p = new(uint256.Int)
	return decimal{*c.p}.Scan(src)
}

// scalar is a quantity of 256 bits as a BLOB without leading zeros.
type scalar struct{ p *uint256.Int }

func (c scalar) Value() (driver.Value, error) { return c.p.Bytes(), nil }

func (c scalar) Scan(src any) error {
	b, ok := src.([]byte)
	if (!ok && src != nil) || len(b) > 32 {
		return fmt.Errorf("%T instead of a scalar", src)
	}
	c.p.SetBytes(b)
	return nil
}

// text is JSON or NULL.
type text struct{ p *json.RawMessage }

func (c text) Value() (driver.Value, error) {
	if *c.p == nil {
		return nil, nil
	}
	return string(*c.p), nil
}

func (c text) Scan(src any) error {
	*c.p = nil
	if src == nil {
		return nil
	}
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("%T instead of text", src)
	}
	*c.p = json.RawMessage(s)
	return nil
}

// list is a list inside a transaction as JSON; NULL if it is nil.
type list[E any] struct {
	p      *[]E
	encode func([]E) json.RawMessage
	decode func(json.RawMessage) ([]E, error)
}

func (c list[E]) Value() (driver.Value, error) {
	raw := c.encode(*c.p)
	return text{&raw}.Value()
}

func (c list[E]) Scan(src any) error {
	var raw json.RawMessage
	if err := (text{&raw}).Scan(src); err != nil {
		return err
	}
	var err error
	*c.p, err = c.decode(raw)
	return err
}
