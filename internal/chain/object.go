package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gapless/internal/scan"
)

// decodeObject fills v from a JSON object by its field table. It fails only if
// there is no object, a key comes twice or is not UTF-8, or a number is none;
// everything else that is odd inside is kept in o. Fields are decoded in the
// order of the table, whatever the order of the keys.
func decodeObject[T any](d *decoder, object scan.Value, t *table[T], v *T, o *Object) error {
	var values [mostFields]scan.Value // by place in the table
	left, err := d.members(object, &t.keys, &values)
	if err != nil {
		return err
	}
	*o = Object{unknown: len(left) > 0}
	for i := range t.fields {
		f, value := &t.fields[i], values[i]
		switch {
		case !value.Is():
			if !f.omitted {
				o.Shape |= 1 << i
			}
			continue
		case f.nillable && d.isNull(value):
			if f.omitted {
				o.Shape |= 1 << i
			}
			continue
		}
		if f.omitted && !f.nillable && !f.kept { // a derived key that geth leaves out
			o.Shape |= 1 << i
		}
		exact, err := f.decode(d, v, value)
		if exact && err == nil {
			continue
		}
		if err := o.note(f.key, err); err != nil {
			return err
		}
		left = left.with(f.key, d.text.Raw(value))
	}
	return o.keep(left)
}

// members finds the values of an object: those of the keys of a table by their
// places, and others.
func (d *decoder) members(object scan.Value, keys *keyIndex, values *[mostFields]scan.Value) (others values, err error) {
	m, ok := d.text.Object(object)
	if !ok {
		return nil, fmt.Errorf("%.40s instead of an object", d.text.Raw(object))
	}
	for m.Next() {
		if i := keys.find(m.Key()); i >= 0 {
			if values[i].Is() {
				return nil, fmt.Errorf("key %q comes twice", m.Key())
			}
			values[i] = m.Value
			continue
		}
		key := string(m.Key())
		switch _, twice := others[key]; {
		case twice:
			return nil, fmt.Errorf("key %.40q comes twice", key)
		case strings.ContainsRune(key, utf8.RuneError): // also what stands for a half of a pair
			return nil, fmt.Errorf("key %.40q is not UTF-8", key)
		}
		others = others.with(key, d.text.Raw(m.Value))
	}
	return others, nil
}

// values are those of an object by key; nil if there are none.
type values map[string]json.RawMessage

func (v values) with(key string, value []byte) values {
	if v == nil {
		v = make(values)
	}
	v[key] = value
	return v
}

func (d *decoder) isNull(v scan.Value) bool { return string(d.text.Raw(v)) == "null" }

// elements gives the values of an array, to be given back by drop. A null is an
// empty one.
func (d *decoder) elements(list scan.Value) ([]scan.Value, error) {
	items, ok := d.text.Array(list)
	if !ok && !d.isNull(list) {
		return nil, fmt.Errorf("%.40s instead of an array", d.text.Raw(list))
	}
	first := len(d.items)
	for items.Next() {
		d.items = append(d.items, items.Item)
	}
	return d.items[first:], nil
}

func (d *decoder) drop(items []scan.Value) { d.items = d.items[:len(d.items)-len(items)] }

// note remembers what decoding a value found. It returns only what makes the
// whole object useless. A value of a known key that can't be read is kept and
// counts as none.
func (o *Object) note(key string, err error) error {
	if err == nil {
		return nil
	}
	var useless *Error
	switch {
	case errors.As(err, &useless):
		return err
	case errors.Is(err, errNoNumber):
		return fmt.Errorf("%s: %w", key, err)
	case errors.Is(err, errMismatch):
		if o.mismatch == "" {
			o.mismatch = key
		}
	case errors.Is(err, errMisplaced), errors.Is(err, errUnknownKey):
		o.unknown = true
	case o.spoiled == "":
		o.spoiled = key
	}
	return nil
}

// keep stores the values that are left.
func (o *Object) keep(left values) error {
	if left == nil {
		return nil
	}
	extra, err := json.Marshal(left) // sorts
	o.Extra = extra
	return err
}

// restoreObject applies Extra to a value whose fields and Shape were read from
// the database, after which it is what decodeObject made of the node's answer.
func restoreObject[T any](d *decoder, t *table[T], v *T, o *Object) error {
	o.unknown, o.mismatch, o.spoiled = false, "", ""
	if o.Extra == nil {
		return nil
	}
	if err := d.text.Parse(o.Extra); err != nil {
		return fmt.Errorf("extra %.80s: %w", o.Extra, err)
	}
	var values [mostFields]scan.Value
	others, err := d.members(d.text.Root(), &t.keys, &values)
	if err != nil {
		return fmt.Errorf("extra: %w", err)
	}
	for i := range t.fields {
		if !values[i].Is() {
			continue
		}
		_, err := t.fields[i].decode(d, v, values[i])
		if err := o.note(t.fields[i].key, err); err != nil {
			return err
		}
	}
	o.unknown = o.unknown || len(others) > 0
	return nil
}

// appendObject writes v as the node gave it: equal as JSON, with hex in lower
// case and quantities minimal.
func appendObject[T any](out []byte, t *table[T], v *T, o *Object) []byte {
	var extra map[string]json.RawMessage
	if o.Extra != nil {
		_ = json.Unmarshal(o.Extra, &extra) // restoreObject has read it before
	}
	out = append(out, '{')
	start := len(out)
	for i := range t.fields {
		f := &t.fields[i]
		if _, ok := extra[f.key]; ok {
			continue
		}
		odd := o.Shape&(1<<i) != 0
		mark := len(out)
		out = appendPlainKey(out, f.key, mark > start)
		with := f.encode(v, out)
		switch {
		case with != nil && f.nillable: // a value is never left out
			out = with
		case with != nil && odd == f.omitted:
			out = with
		case with == nil && odd == f.omitted:
			out = append(out, "null"...)
		default:
			out = out[:mark]
		}
	}
	for _, key := range sortedKeys(extra) {
		out = appendKey(out, key, len(out) > start)
		out = append(out, extra[key]...)
	}
	return append(out, '}')
}

// appendPlainKey appends a key that needs no escapes, as those of the tables.
func appendPlainKey(out []byte, key string, comma bool) []byte {
	if comma {
		out = append(out, ',')
	}
	out = append(append(out, '"'), key...)
	return append(out, `":`...)
}

func appendKey(out []byte, key string, comma bool) []byte {
	if comma {
		out = append(out, ',')
	}
	name, _ := json.Marshal(key) // a string always can be
	return append(append(out, name...), ':')
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
