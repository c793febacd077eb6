package store

import (
	"database/sql/driver"
	"fmt"
	"math"
	"time"

	"github.com/holiman/uint256"

	"gapless/internal/chain"
)

// integer is a quantity of 64 bits in a signed column. One past 63 bits is cut
// to the largest; its true value is in the row's extra.
type integer struct{ p *uint64 }

func (c integer) Value() (driver.Value, error) { return int64(min(*c.p, math.MaxInt64)), nil }

func (c integer) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T instead of an integer", src)
	}
	if v < 0 {
		return fmt.Errorf("%d instead of a number from 0 on", v)
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

// milliseconds is a moment as unix milliseconds.
type milliseconds struct{ p *time.Time }

func (c milliseconds) Value() (driver.Value, error) { return c.p.UnixMilli(), nil }

func (c milliseconds) Scan(src any) error {
	v, ok := src.(int64)
	if !ok {
		return fmt.Errorf("%T instead of a time", src)
	}
	*c.p = time.UnixMilli(v)
	return nil
}
