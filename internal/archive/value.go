package archive

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// A number is a quantity that is small on every chain that makes sense: it is
// written as a JSON number, others of 256 bits as strings.
type number struct{ *uint256.Int }

// word gives the 32 bytes of a part of a signature.
func word(v *uint256.Int) []byte {
	b := v.Bytes32()
	return b[:]
}

// appendText appends the value of a column as text: bytes as hex in lower case,
// numbers in decimal, lists as JSON, and nothing for what is absent.
func appendText(out []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
	case int:
		out = strconv.AppendInt(out, int64(v), 10)
	case uint64:
		out = strconv.AppendUint(out, v, 10)
	case *uint64:
		if v != nil {
			out = strconv.AppendUint(out, *v, 10)
		}
	case *uint256.Int:
		switch {
		case v == nil:
		case v.IsUint64():
			out = strconv.AppendUint(out, v.Uint64(), 10)
		default:
			out = append(out, v.Dec()...)
		}
	case number:
		out = appendText(out, v.Int)
	case []byte:
		out = hex.AppendEncode(append(out, "0x"...), v)
	case []common.Hash:
		if v != nil {
			list, _ := json.Marshal(v) // hashes always can be
			out = append(out, list...)
		}
	case json.RawMessage:
		out = append(out, v...)
	default:
		panic("value of an unknown type")
	}
	return out
}

// appendJSON appends the value of a column as JSON.
func appendJSON(out []byte, v any) []byte {
	mark := len(out)
	quoted := false
	switch v.(type) {
	case []byte, *uint256.Int:
		quoted = true
		out = append(out, '"')
	}
	out = appendText(out, v)
	switch {
	case len(out) == mark, quoted && len(out) == mark+1:
		return append(out[:mark], "null"...)
	case quoted:
		return append(out, '"')
	}
	return out
}
