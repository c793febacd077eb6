package pages

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// A kind is what sort of values a type has.
type kind int

const (
	kindUint kind = iota
	kindInt
	kindBool
	kindAddress
	kindFixedBytes
	kindBytes
	kindString
	kindList
	kindArray
	kindTuple
)

// An abiType is a type of the contract ABI specification.
type abiType struct {
	name    string // canonical, as it is in a signature: (uint256,bool)[3]
	kind    kind
	size    int         // bits of a number, bytes of fixed bytes, elements of an array
	element *abiType    // of a list or an array
	fields  []parameter // of a tuple
	dynamic bool        // what is in its place is an offset
	words   int         // that it takes in its place
}

// A parameter is one of a function or an event, or a field of a tuple.
type parameter struct {
	name    string // foreign text; may be empty
	indexed bool   // it is in a topic of the log
	*abiType
}

// Limits of types, beyond what any contract takes. They keep arithmetic and
// recursion within bounds, whatever an ABI says.
const (
	mostWords  = 1 << 16
	mostNested = 16
)

// A declaration is a function or an event.
type declaration struct {
	name   string // foreign text
	inputs []parameter
}

// signature is what the selector or the first topic is the hash of.
func (d *declaration) signature() string {
	return d.name + "(" + typeNames(d.inputs) + ")"
}

func (d *declaration) topic() common.Hash { return crypto.Keccak256Hash([]byte(d.signature())) }

func (d *declaration) selector() [4]byte { return [4]byte(crypto.Keccak256([]byte(d.signature()))) }

func typeNames(of []parameter) string {
	names := make([]string, len(of))
	for i, p := range of {
		names[i] = p.abiType.name
	}
	return strings.Join(names, ",")
}

// An abiEntry is one entry of an ABI as JSON.
type abiEntry struct {
	Type      string
	Name      string
	Inputs    []abiInput
	Anonymous bool
}

type abiInput struct {
	Name       string
	Type       string
	Indexed    bool
	Components []abiInput
}

// parseEntry reads an entry of an ABI. One that is neither a function nor an
// event with a topic gives nil.
func parseEntry(raw json.RawMessage) (d *declaration, event bool, err error) {
	var e abiEntry
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, false, err
	}
	if e.Type == "" {
		e.Type = "function" // as the specification has it
	}
	if event = e.Type == "event"; (!event && e.Type != "function") || e.Anonymous {
		return nil, false, nil
	}
	d = &declaration{name: e.Name}
	if d.inputs, _, err = parseParameters(e.Inputs, 0); err != nil {
		return nil, false, fmt.Errorf("%s %.60q: %w", e.Type, e.Name, err)
	}
	return d, event, nil
}

// parseParameters reads parameters, and how many words they take.
func parseParameters(inputs []abiInput, nested int) (all []parameter, words int, err error) {
	for _, in := range inputs {
		t, err := parseType(in.Type, in.Components, nested)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, parameter{name: in.Name, indexed: in.Indexed, abiType: t})
		if words += t.words; words > mostWords {
			return nil, 0, errTooLarge
		}
	}
	return all, words, nil
}

var errTooLarge = errors.New("a type is too large")

// parseType reads a type; components are the fields of a tuple.
func parseType(text string, components []abiInput, nested int) (*abiType, error) {
	if nested++; nested > mostNested {
		return nil, errors.New("types are nested too deep")
	}
	open := strings.LastIndexByte(text, '[')
	switch {
	case open >= 0 && strings.HasSuffix(text, "]"):
		element, err := parseType(text[:open], components, nested)
		if err != nil {
			return nil, err
		}
		return parseArray(element, text[open+1:len(text)-1])
	case text == "tuple":
		fields, words, err := parseParameters(components, nested)
		if err != nil {
			return nil, err
		}
		t := &abiType{name: "(" + typeNames(fields) + ")", kind: kindTuple, fields: fields, words: words}
		for _, f := range fields {
			t.dynamic = t.dynamic || f.dynamic
		}
		return t.placed(), nil
	}
	t := elementary(text)
	if t == nil {
		return nil, fmt.Errorf("%.60q is no type of the ABI", text)
	}
	return t.placed(), nil
}

// parseArray makes the type of a list or, with a length, of an array.
func parseArray(element *abiType, length string) (*abiType, error) {
	t := &abiType{name: element.name + "[" + length + "]", element: element}
	if length == "" {
		t.kind, t.dynamic = kindList, true
		return t.placed(), nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 1 || n > mostWords || n*max(element.words, 1) > mostWords {
		return nil, fmt.Errorf("an array of %.40s: %w", length, errTooLarge)
	}
	t.kind, t.size, t.dynamic, t.words = kindArray, n, element.dynamic, n*element.words
	return t.placed(), nil
}

// placed sets what a dynamic type takes in its place.
func (t *abiType) placed() *abiType {
	if t.dynamic {
		t.words = 1
	}
	return t
}

// elementary reads a type that has no parts; nil if there is no such type.
func elementary(text string) *abiType {
	switch text {
	case "bool":
		return &abiType{name: text, kind: kindBool, words: 1}
	case "address", "address payable":
		return &abiType{name: "address", kind: kindAddress, words: 1}
	case "function":
		return &abiType{name: text, kind: kindFixedBytes, size: 24, words: 1}
	case "bytes":
		return &abiType{name: text, kind: kindBytes, dynamic: true}
	case "string":
		return &abiType{name: text, kind: kindString, dynamic: true}
	case "uint", "int":
		text += "256"
	}
	digits := strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.Atoi(digits)
	if err != nil || digits != strconv.Itoa(n) {
		return nil
	}
	t := &abiType{name: text, size: n, words: 1}
	switch number := n >= 8 && n <= 256 && n%8 == 0; {
	case text == "uint"+digits && number:
		t.kind = kindUint
	case text == "int"+digits && number:
		t.kind = kindInt
	case text == "bytes"+digits && n >= 1 && n <= 32:
		t.kind = kindFixedBytes
	default:
		return nil
	}
	return t
}
