package scan

import (
	"errors"
	"math"
)

// maxDepth is how deep objects and arrays may be in each other; encoding/json
// has the same limit.
const maxDepth = 10_000

// ErrInvalid is the error of a text that is not JSON. What the text is, is not
// told: it may be large.
var ErrInvalid = errors.New("invalid JSON")

// Parse validates a text, which must not change from then on. What t was before
// is forgotten, and its memory used again.
func (t *Text) Parse(text []byte) error {
	if len(text) > math.MaxInt32 {
		return errors.New("JSON of more than 2 GB")
	}
	p := parser{Text: Text{bytes: text, nodes: t.nodes[:0]}}
	p.strings, p.plain = stringEnds(text, t.strings)
	end := p.value(space(text, 0), 0)
	*t = p.Text
	if end < 0 || space(text, end) < len(text) {
		return ErrInvalid
	}
	return nil
}

// A parser validates a text. Its methods take the position where something
// begins and return the one after it, or -1 if it is not valid.
type parser struct {
	Text
	seen int // strings so far
}

// value is given how many objects and arrays the value is in.
func (p *parser) value(at, depth int) int {
	if at >= len(p.bytes) {
		return -1
	}
	switch p.bytes[at] {
	case '"':
		return p.string(at + 1)
	case '{', '[':
		return p.node(at, depth+1)
	case 't':
		return p.literal(at, "true")
	case 'f':
		return p.literal(at, "false")
	case 'n':
		return p.literal(at, "null")
	}
	return p.number(at)
}

// node notes an object or array. Its depth is 1 or more.
func (p *parser) node(at, depth int) int {
	if depth > maxDepth {
		return -1
	}
	i, end := len(p.nodes), -1
	p.nodes = append(p.nodes, node{start: int32(at)})
	p.nodes[i].within = p.place()
	if p.bytes[at] == '{' {
		end = p.object(at+1, depth)
	} else {
		end = p.array(at+1, depth)
	}
	p.nodes[i].end, p.nodes[i].after = int32(end), p.place()
	return end
}

func (p *parser) place() place { return place{int32(len(p.nodes)), int32(p.seen)} }

func (p *parser) object(at, depth int) int {
	at = space(p.bytes, at)
	if p.is(at, '}') {
		return at + 1
	}
	for p.is(at, '"') {
		if at = p.string(at + 1); at < 0 {
			return -1
		}
		if at = space(p.bytes, at); !p.is(at, ':') {
			return -1
		}
		if at = p.value(space(p.bytes, at+1), depth); at < 0 {
			return -1
		}
		at = space(p.bytes, at)
		if p.is(at, '}') {
			return at + 1
		}
		if !p.is(at, ',') {
			return -1
		}
		at = space(p.bytes, at+1)
	}
	return -1
}

func (p *parser) array(at, depth int) int {
	at = space(p.bytes, at)
	if p.is(at, ']') {
		return at + 1
	}
	for {
		if at = p.value(at, depth); at < 0 {
			return -1
		}
		at = space(p.bytes, at)
		if p.is(at, ']') {
			return at + 1
		}
		if !p.is(at, ',') {
			return -1
		}
		at = space(p.bytes, at+1)
	}
}

// is reports whether a byte stands at a position.
func (p *parser) is(at int, c byte) bool { return at < len(p.bytes) && p.bytes[at] == c }

func (p *parser) literal(at int, literal string) int {
	if end := at + len(literal); end <= len(p.bytes) && string(p.bytes[at:end]) == literal {
		return end
	}
	return -1
}

func (p *parser) number(at int) int {
	if p.is(at, '-') {
		at++
	}
	if p.is(at, '0') {
		at++ // no digit may follow
	} else if at = p.digits(at); at < 0 {
		return -1
	}
	if p.is(at, '.') {
		if at = p.digits(at + 1); at < 0 {
			return -1
		}
	}
	if p.is(at, 'e') || p.is(at, 'E') {
		at++
		if p.is(at, '+') || p.is(at, '-') {
			at++
		}
		return p.digits(at)
	}
	return at
}

// digits wants one at least.
func (p *parser) digits(at int) int {
	begin := at
	for at < len(p.bytes) && p.bytes[at] >= '0' && p.bytes[at] <= '9' {
		at++
	}
	if at == begin {
		return -1
	}
	return at
}

// string is given the position after the opening quote, and notes the end if
// that is not known.
func (p *parser) string(at int) int {
	if !p.plain {
		if at = p.oddString(at); at < 0 {
			return -1
		}
		p.strings = append(p.strings, int32(at))
	} else if p.seen == len(p.strings) {
		return -1
	}
	p.seen++
	return int(p.strings[p.seen-1])
}

func (p *parser) oddString(at int) int {
	for {
		if at = plainEnd(p.bytes, at); at >= len(p.bytes) {
			return -1
		}
		switch p.bytes[at] {
		case '"':
			return at + 1
		case '\\':
			if at = p.escape(at + 1); at < 0 {
				return -1
			}
		default: // a control character
			return -1
		}
	}
}

func (p *parser) escape(at int) int {
	if at >= len(p.bytes) {
		return -1
	}
	switch p.bytes[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 1
	case 'u':
		for range 4 {
			if at++; at >= len(p.bytes) || !isHex(p.bytes[at]) {
				return -1
			}
		}
		return at + 1
	}
	return -1
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
