package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// decodeObject fills v from a JSON object, which is valid JSON, by its field
// table. It fails only if raw is no object; everything odd inside is kept in o.
func decodeObject[T any](raw json.RawMessage, fields []field[T], v *T, o *Object) error {
	keys := make(map[string]json.RawMessage, len(fields))
	err := SplitObject(raw, func(key string, value json.RawMessage) error {
		keys[key] = value
		return nil
	})
	if err != nil {
		return err
	}
	*o = Object{}
	for i, f := range fields {
		value, present := keys[f.key]
		null := string(value) == "null"
		switch {
		case !present:
			if !f.omitted {
				o.Shape |= 1 << i
			}
		case null && f.nillable:
			if f.omitted {
				o.Shape |= 1 << i
			}
		default:
			if f.omitted && !f.nillable && !f.kept { // a derived key that geth leaves out
				o.Shape |= 1 << i
			}
			exact, err := f.decode(v, value)
			if err := o.note(f.key, err); err != nil {
				return err
			}
			if !exact || err != nil {
				continue // kept in keys
			}
		}
		delete(keys, f.key)
	}
	return o.keep(keys, fieldKeys(fields))
}

// note remembers what decoding a value found. It returns only what makes the
// whole object useless. A value of a known key that can't be read is kept and
// counts as none: no hash is excused for it.
func (o *Object) note(key string, err error) error {
	var useless *Error
	switch {
	case errors.As(err, &useless):
		return err
	case errors.Is(err, errMismatch):
		if o.mismatch == "" {
			o.mismatch = key
		}
	case errors.Is(err, errMisplaced), errors.Is(err, errUnknownKey):
		o.unknown = true
	}
	return nil
}

// keep stores the keys that are left. Those outside the table are unknown.
func (o *Object) keep(keys map[string]json.RawMessage, known func(string) bool) error {
	if len(keys) == 0 {
		return nil
	}
	for key := range keys {
		if !known(key) {
			o.unknown = true
		}
	}
	extra, err := json.Marshal(keys) // sorts
	o.Extra = extra
	return err
}

func fieldKeys[T any](fields []field[T]) func(string) bool {
	return func(key string) bool {
		return slices.ContainsFunc(fields, func(f field[T]) bool { return f.key == key })
	}
}

// restoreObject applies Extra to a value whose fields and Shape were read from
// the database, after which it is what decodeObject made of the node's answer.
func restoreObject[T any](fields []field[T], v *T, o *Object) error {
	o.unknown, o.mismatch = false, ""
	if o.Extra == nil {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(o.Extra, &keys); err != nil {
		return fmt.Errorf("extra %.80s: %w", o.Extra, err)
	}
	for _, f := range fields {
		if value, ok := keys[f.key]; ok {
			_, err := f.decode(v, value)
			if err := o.note(f.key, err); err != nil {
				return err
			}
			delete(keys, f.key)
		}
	}
	o.unknown = o.unknown || len(keys) > 0
	return nil
}

// appendObject writes v as the node gave it: equal as JSON, with hex in lower
// case and quantities minimal.
func appendObject[T any](out []byte, fields []field[T], v *T, o *Object) []byte {
	var extra map[string]json.RawMessage
	if o.Extra != nil {
		_ = json.Unmarshal(o.Extra, &extra) // restoreObject has read it before
	}
	out = append(out, '{')
	start := len(out)
	for i, f := range fields {
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
