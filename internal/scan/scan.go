// Package scan reads JSON texts in place (RFC 8259): once to validate them and
// to note where strings, objects and arrays end, then again as far as a caller
// wants to know. What it accepts, and what it takes for a key, is what encoding/json does:
// a fuzz target compares them.
package scan

import (
	"bytes"
	"encoding/json"
)

// A Text is a JSON text, once [Text.Parse] found it valid.
type Text struct {
	bytes   []byte
	nodes   []node  // objects and arrays, in the order in which they begin
	strings []int32 // the ends of strings, keys too, in their order
	// plain: all is printable ASCII and nothing is escaped, so that a string
	// ends at the next quote. Nodes write so.
	plain bool
}

// A node is an object or an array.
type node struct {
	start, end int32 // in the text
	within     place // of what comes first in it
	after      place // of what comes first after it
}

// A place is the next node, and the next string.
type place struct{ node, text int32 }

// A Value is a value in a Text. The zero Value is none.
type Value struct {
	start, end int32
	node       int32 // place among the nodes, if it is one
}

// Is reports whether v is a value.
func (v Value) Is() bool { return v.end != 0 }

// Raw gives a value as it stands in the text, without space around it.
func (t *Text) Raw(v Value) []byte { return t.bytes[v.start:v.end:v.end] }

// Plain gives a value as Raw does, but a string with its escapes undone. It is
// no JSON then; but hex, say, is in one form whatever form it had.
func (t *Text) Plain(v Value) []byte {
	raw := t.Raw(v)
	if t.plain || raw[0] != '"' || bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it is valid
	return []byte(`"` + s + `"`)
}

// Root gives the value that the text is.
func (t *Text) Root() Value {
	v, _ := t.value(space(t.bytes, 0), place{})
	return v
}

// value gives the value that begins at a position, where the place is known,
// and the place after it.
func (t *Text) value(at int, next place) (Value, place) {
	switch t.bytes[at] {
	case '"':
		end := t.strings[next.text]
		next.text++
		return Value{start: int32(at), end: end}, next
	case '{', '[':
		n := &t.nodes[next.node]
		return Value{n.start, n.end, next.node}, n.after
	}
	end := at + 1
	for end < len(t.bytes) && inWord[t.bytes[end]] {
		end++
	}
	return Value{start: int32(at), end: int32(end)}, next
}

// inWord are the bytes of numbers, true, false and null.
var inWord = func() (in [256]bool) {
	for _, c := range []byte("+-.0123456789Eaeflnrstu") {
		in[c] = true
	}
	return in
}()

// Members walks the members of an object:
//
//	members, ok := text.Object(value)
//	for members.Next() {
//		… members.Key(), members.Value
//	}
type Members struct {
	Value Value

	text *Text // nil for what is no object
	at   int
	next place

	key, keyEnd int // within its quotes
}

// Object begins to walk the members of an object. ok is false if the value is
// none; there are no members then. A key may come more than once: encoding/json
// takes the last.
func (t *Text) Object(v Value) (m Members, ok bool) {
	if t.bytes[v.start] != '{' {
		return m, false
	}
	return Members{text: t, at: int(v.start) + 1, next: t.nodes[v.node].within}, true
}

// Next goes on to the next member, if there is one.
func (m *Members) Next() bool {
	if m.text == nil {
		return false
	}
	text := m.text.bytes
	at := space(text, m.at)
	switch text[at] {
	case ',':
		at = space(text, at+1)
	case '}':
		return false
	}
	m.key = at + 1
	at = int(m.text.strings[m.next.text])
	m.next.text++
	m.keyEnd = at - 1
	at = space(text, space(text, at)+1) // a colon
	m.Value, m.next = m.text.value(at, m.next)
	m.at = int(m.Value.end)
	return true
}

// Key gives the member's key, with its escapes undone.
func (m *Members) Key() []byte {
	text := m.text.bytes
	key := text[m.key:m.keyEnd]
	if m.text.plain || isPlain(key) {
		return key
	}
	var unescaped string
	_ = json.Unmarshal(text[m.key-1:m.keyEnd+1], &unescaped) // it is valid
	return []byte(unescaped)
}

// Items walks the items of an array, as [Members] does those of an object.
type Items struct {
	Item Value

	text *Text // nil for what is no array
	at   int
	next place
}

// Array begins to walk the items of an array. ok is false if the value is none;
// there are no items then.
func (t *Text) Array(v Value) (i Items, ok bool) {
	if t.bytes[v.start] != '[' {
		return i, false
	}
	return Items{text: t, at: int(v.start) + 1, next: t.nodes[v.node].within}, true
}

// Next goes on to the next item, if there is one.
func (i *Items) Next() bool {
	if i.text == nil {
		return false
	}
	text := i.text.bytes
	at := space(text, i.at)
	switch text[at] {
	case ',':
		at = space(text, at+1)
	case ']':
		return false
	}
	i.Item, i.next = i.text.value(at, i.next)
	i.at = int(i.Item.end)
	return true
}

// space skips white space; it returns len(text) if nothing else is left.
func space(text []byte, at int) int {
	if at < len(text) && text[at] > ' ' {
		return at
	}
	return spaceEnd(text, at)
}

func spaceEnd(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}
