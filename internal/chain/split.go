package chain

import (
	"bytes"
	"encoding/json"
	"errors"
)

// errSyntax is the error for what is not the JSON that was asked for.
var errSyntax = errors.New("not the JSON that belongs there")

// SplitArray calls each with the elements of a JSON array. They are parts of
// raw, not copies, so that a large answer is in memory once. What raw is has to
// be known to be valid, by [json.Valid]; if it is no array, SplitArray fails.
func SplitArray(raw json.RawMessage, each func(element json.RawMessage) error) error {
	rest, ok := enter(raw, '[')
	for ok && len(rest) > 0 && rest[0] != ']' {
		var element json.RawMessage
		if element, rest = cutValue(rest); len(element) == 0 {
			break
		}
		if err := each(element); err != nil {
			return err
		}
		rest = pass(rest, ',')
	}
	return left(rest, ok, ']')
}

// SplitObject calls each with the members of a JSON object, as [SplitArray]
// does with elements. A key may come twice.
func SplitObject(raw json.RawMessage, each func(key string, value json.RawMessage) error) error {
	rest, ok := enter(raw, '{')
	for ok && len(rest) > 0 && rest[0] != '}' {
		var name, value json.RawMessage
		name, rest = cutValue(rest)
		if value, rest = cutValue(pass(rest, ':')); len(value) == 0 {
			break
		}
		key, err := unquote(name)
		if err == nil {
			err = each(key, value)
		}
		if err != nil {
			return err
		}
		rest = pass(rest, ',')
	}
	return left(rest, ok, '}')
}

func enter(raw []byte, open byte) (rest []byte, ok bool) {
	raw = trim(raw)
	if len(raw) == 0 || raw[0] != open {
		return nil, false
	}
	return trim(raw[1:]), true
}

// pass leaves out white space, and a separator if it comes next.
func pass(rest []byte, separator byte) []byte {
	rest = trim(rest)
	if len(rest) > 0 && rest[0] == separator {
		rest = trim(rest[1:])
	}
	return rest
}

func left(rest []byte, ok bool, end byte) error {
	if !ok || len(rest) == 0 || rest[0] != end {
		return errSyntax
	}
	return nil
}

func trim(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n") }

// cutValue cuts the value with which raw begins. It is empty if there is none.
func cutValue(raw []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			if i = closingQuote(raw, i); depth == 0 {
				return raw[:i+1], raw[i+1:]
			}
		case '{', '[':
			depth++
		case '}', ']':
			switch depth--; depth {
			case 0:
				return raw[:i+1], raw[i+1:]
			case -1:
				return raw[:i], raw[i:]
			}
		case ',', ' ', '\t', '\r', '\n', ':':
			if depth == 0 {
				return raw[:i], raw[i:]
			}
		}
	}
	return raw, nil
}

// closingQuote gives the place of the quote that ends the string that begins at
// a place.
func closingQuote(raw []byte, at int) int {
	for i := at + 1; ; i++ {
		next := bytes.IndexByte(raw[i:], '"')
		if next < 0 {
			return len(raw) - 1
		}
		i += next
		backslashes := 0
		for raw[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
	}
}

func unquote(name []byte) (key string, err error) {
	if len(name) < 2 || name[0] != '"' || bytes.IndexByte(name, '\\') >= 0 || !isASCII(name) {
		err = json.Unmarshal(name, &key)
		return key, err
	}
	return string(name[1 : len(name)-1]), nil
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
