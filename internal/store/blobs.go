package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

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
	switch v := any(*c.p).(type) {
	case *common.Hash:
		return v[:], nil
	case *common.Address:
		return v[:], nil
	}
	return nil, fmt.Errorf("%T in a column", *c.p)
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
