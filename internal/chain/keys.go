package chain

import (
	"slices"
	"strings"
)

// A table is the fields of an object, with an index of their keys.
type table[T any] struct {
	fields   []field[T]
	keys     keyIndex
	required uint64 // a bit for each field, as in [Object.Shape]
}

// mostFields is how many fields a table has at most. Shape has room for 64.
const mostFields = 40

func tableOf[T any](fields ...[]field[T]) *table[T] {
	t := &table[T]{fields: slices.Concat(fields...)}
	if len(t.fields) > mostFields {
		panic("chain: a table of too many fields")
	}
	for i := range t.fields {
		t.keys.add(t.fields[i].key)
		if t.fields[i].required {
			t.required |= 1 << i
		}
	}
	return t
}

// lacking names the required keys of a set, which are absent, or is empty.
func (t *table[T]) lacking(absent uint64) string {
	var keys []string
	for i := range t.fields {
		if absent&t.required&(1<<i) != 0 {
			keys = append(keys, t.fields[i].key)
		}
	}
	if keys == nil {
		return ""
	}
	return "without " + strings.Join(keys, ", ")
}

// A keyIndex finds the place of a key: a hash table with open addressing that
// is never full.
type keyIndex struct {
	keys  []string
	slots [256]uint8 // place + 1; 0 is free
}

func (x *keyIndex) add(key string) {
	at := slot(key)
	for x.slots[at] != 0 {
		at++
	}
	x.keys = append(x.keys, key)
	x.slots[at] = uint8(len(x.keys))
}

// find gives the place of a key, -1 for one that is not there.
func (x *keyIndex) find(key []byte) int {
	for at := slot(key); x.slots[at] != 0; at++ {
		if i := int(x.slots[at]) - 1; x.keys[i] == string(key) {
			return i
		}
	}
	return -1
}

// slot is where the search for a key begins. Of standard keys, length, first,
// last and middle characters tell nearly all apart.
func slot[K string | []byte](key K) uint8 {
	n := len(key)
	if n == 0 {
		return 0
	}
	h := uint32(n) | uint32(key[0])<<8 | uint32(key[n-1])<<16 | uint32(key[n/2])<<24
	return uint8(h * 0x9e3779b1 >> 24)
}

// Keys gives the standard keys of an object: a "block", "transaction", "receipt" or
// "log". The lies that are tried on the program are made of them.
func Keys(object string) []string {
	switch object {
	case "block":
		return blockFields.keys.keys
	case "transaction":
		return transactionFields.keys.keys
	case "receipt":
		return receiptFields.keys.keys
	}
	return logFields.keys.keys
}
