package pages

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// decodedTypes are those that are decoded of foreign data by FuzzDecode.
var decodedTypes = []string{
	"uint8", "int24", "uint256", "int256", "bool", "address", "bytes5", "bytes", "string", "uint16[]", "bytes2[3]", "string[]",
	"address[2][]", "bytes[2]", "tuple", "tuple[2]", "tuple[]",
}

// What is accepted of foreign data, the other implementation accepts too, with
// the same values; and however it is made, little is written of it.
func FuzzDecode(f *testing.F) {
	f.Add(byte(2), word(7))
	f.Add(byte(8), append(append(word(32), word(3)...), "abc"+strings.Repeat("\x00", 29)...))
	f.Add(byte(11), append(append(word(32), word(2)...), append(word(0), word(0)...)...))
	f.Add(byte(16), append(append(word(32), word(1)...), append(word(32), append(word(64), append(word(1), word(0)...)...)...)...))
	components := []abiInput{{Name: "a", Type: "bytes"}, {Name: "b", Type: "int8"}}
	theirs := []abi.ArgumentMarshaling{{Name: "a", Type: "bytes"}, {Name: "b", Type: "int8"}}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		name := decodedTypes[int(which)%len(decodedTypes)]
		typ, err := parseType(name, components, 0)
		if err != nil {
			t.Fatal(err)
		}
		d := decoder{data: data, left: mostWritten}
		values, err := d.values([]parameter{{abiType: typ}})
		if err != nil || len(data) > 1<<12 {
			return
		}
		if len(values[0]) > 4*mostWritten || !utf8.ValidString(values[0]) {
			t.Errorf("%d bytes are written: %q", len(values[0]), values[0])
		}
		other, err := abi.NewType(name, "", theirs)
		if err != nil {
			t.Fatal(err)
		}
		want, err := abi.Arguments{{Type: other}}.Unpack(data)
		if err != nil {
			if !strings.Contains(values[0], "more") { // what is not shown is not looked at
				t.Errorf("%s is %q: %v", name, values[0], err)
			}
			return
		}
		if text := valueText(want[0]); text != values[0] && !strings.Contains(values[0], "…") {
			t.Errorf("%s is %q, want %q", name, values[0], text)
		}
	})
}

// valueText writes a value of the other implementation.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return plain(v)
	case []byte:
		return hexutil.Encode(v)
	case *big.Int:
		return v.String()
	case common.Address:
		return hexutil.Encode(v[:])
	}
	at := reflect.ValueOf(v)
	switch {
	case at.Kind() == reflect.Array && at.Type().Elem().Kind() == reflect.Uint8:
		b := make([]byte, at.Len())
		reflect.Copy(reflect.ValueOf(b), at)
		return hexutil.Encode(b)
	case at.Kind() == reflect.Array || at.Kind() == reflect.Slice:
		var parts []string
		for i := range at.Len() {
			parts = append(parts, valueText(at.Index(i).Interface()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case at.Kind() == reflect.Struct:
		return "{a: " + valueText(at.Field(0).Interface()) + ", b: " + valueText(at.Field(1).Interface()) + "}"
	}
	return fmt.Sprint(v)
}

// A foreign ABI is read or refused, and what is read can be used.
func FuzzABI(f *testing.F) {
	f.Add(`{"type":"function","name":"f","inputs":[{"name":"a","type":"tuple[3][]","components":[{"type":"uint8"}]}]}`, word(1))
	f.Add(`{"type":"event","name":"e","inputs":[{"type":"uint256[9][9][9][9][9][9]"}]}`, word(1))
	f.Fuzz(func(t *testing.T, entry string, data []byte) {
		known := noSignatures()
		known.addABI([]json.RawMessage{json.RawMessage(entry)})
		for selector := range known.methods {
			_ = known.call(append(selector[:], data...))
		}
	})
}
