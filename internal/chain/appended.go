package chain

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

// This file has headers of forks that are newer than this program. Every fork so
// far appended its fields to the header's RLP. So keys that are unknown are tried
// there: if the hash comes out, it commits to them too.

const (
	mostAppended = 3 // keys of a new fork
	mostTried    = 6 // unknown keys that may be such; 3 of 6 in every order and form are 960 hashes
)

// appended reports whether the hash comes out with unknown keys appended.
func (h *Header) appended() bool {
	_, ok := h.encodeAppended()
	return ok
}

// encode gives the RLP of which the hash is taken, if it is known.
func (h *Header) encode() (encoded []byte, ok bool) {
	encoded = appendRLP(nil, h.writeTo)
	if crypto.Keccak256Hash(encoded) == h.Hash {
		return encoded, true
	}
	return h.encodeAppended()
}

func (h *Header) encodeAppended() ([]byte, bool) {
	if !h.unknown {
		return nil, false
	}
	fields := h.unknownFields()
	if len(fields) == 0 || len(fields) > mostTried {
		return nil, false
	}
	_, content, _, err := rlp.Split(appendRLP(nil, h.writeTo))
	if err != nil {
		return nil, false // it never is: we wrote it
	}
	t := &appending{hash: h.Hash, fields: fields, used: make([]bool, len(fields))}
	next, isHash := h.nextFork()
	t.next, t.nextIsHash = next, isHash
	encoded := t.try(content, 0)
	return encoded, encoded != nil
}

// nextFork says whether there is a known field that this header does not have
// after its last one, and whether that is a hash.
func (h *Header) nextFork() (next, isHash bool) {
	switch {
	case h.SlotNumber != nil:
		return false, false
	case h.BlockAccessListHash != nil:
		return true, false
	case h.RequestsHash != nil, h.ParentBeaconBlockRoot != nil, h.ExcessBlobGas != nil:
		return true, true
	case h.BlobGasUsed != nil, h.WithdrawalsRoot != nil:
		return true, false
	case h.BaseFeePerGas != nil:
		return true, true
	}
	return true, false
}

// An unknownField is the value of an unknown key in the forms in which a header
// may have it.
type unknownField struct {
	forms  [][]byte // RLP
	isHash bool
}

// unknownFields are those that may be of a header.
func (h *Header) unknownFields() (fields []unknownField) {
	var extra map[string]json.RawMessage
	_ = json.Unmarshal(h.Extra, &extra) // an object always can be
	for _, key := range sortedKeys(extra) {
		if uncleFields.keys.find([]byte(key)) >= 0 || blockFields.keys.find([]byte(key)) >= 0 {
			continue
		}
		if f, ok := parseUnknown(extra[key]); ok {
			fields = append(fields, f)
		}
	}
	return fields
}

func parseUnknown(raw []byte) (f unknownField, ok bool) {
	d := newDecoder()
	defer d.free()
	if data, err := d.parseBytes(raw); err == nil {
		f.forms = append(f.forms, appendString(nil, data))
		f.isHash = len(data) == common.HashLength
	}
	if v, _, err := parse256(raw); err == nil {
		if form := appendQuantity(nil, &v); len(f.forms) == 0 || string(form) != string(f.forms[0]) {
			f.forms = append(f.forms, form)
		}
	}
	return f, len(f.forms) > 0
}

func appendQuantity(out []byte, v *uint256.Int) []byte { return appendString(out, v.Bytes()) }

// An appending looks for the fields that make the hash come out.
type appending struct {
	hash             common.Hash
	fields           []unknownField
	used             []bool
	next, nextIsHash bool // the known field in whose place the first one would be
}

// try appends one more field to the content of the list, and then others. It
// gives the RLP that has the hash, or nil.
func (t *appending) try(content []byte, n int) []byte {
	for i, f := range t.fields {
		// A known field under another name is not a field of a new fork.
		if t.used[i] || n == 0 && t.next && f.isHash == t.nextIsHash {
			continue
		}
		t.used[i] = true
		for _, form := range f.forms {
			longer := append(content[:len(content):len(content)], form...)
			encoded := append(appendListHead(nil, len(longer)), longer...)
			if crypto.Keccak256Hash(encoded) == t.hash {
				return encoded
			}
			if n+1 < mostAppended {
				if encoded := t.try(longer, n+1); encoded != nil {
					return encoded
				}
			}
		}
		t.used[i] = false
	}
	return nil
}
