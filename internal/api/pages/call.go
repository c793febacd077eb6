package pages

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"gapless/internal/chain"
)

// mostDecoded is how long data may be to be decoded, in bytes. What an ABI makes
// of it can be far larger.
const mostDecoded = 16 << 10

// A call is a function that is called, or an event that is logged.
type call struct {
	Name      string
	Signature string
	Arguments []argument
}

// An argument is one parameter with its value.
type argument struct {
	Name, Type string
	Indexed    bool
	Address    *common.Address // nil if it is none
	Value      string
}

// call reads a transaction's input; nil if no known function fits it.
func (s *Signatures) call(input []byte) *call {
	if len(input) < 4 || len(input) > mostDecoded {
		return nil
	}
	for _, m := range s.methods[[4]byte(input)] {
		values, err := m.Inputs.Unpack(input[4:])
		if err == nil {
			return newCall(m.RawName, m.Sig, m.Inputs, values)
		}
	}
	return nil
}

// event reads a log; nil if no known event fits it.
func (s *Signatures) event(log *chain.Log) *call {
	if len(log.Topics) == 0 || len(log.Data) > mostDecoded {
		return nil
	}
	for _, e := range s.events[log.Topics[0]] {
		if values, ok := eventValues(&e, log); ok {
			return newCall(e.RawName, e.Sig, e.Inputs, values)
		}
	}
	return nil
}

// methodName names a selector, as far as one name is known for it.
func (s *Signatures) methodName(selector []byte) string {
	if len(selector) < 4 {
		return ""
	}
	if known := s.methods[[4]byte(selector)]; len(known) > 0 {
		return known[0].RawName
	}
	return ""
}

// eventName names the event of a log by its first topic.
func (s *Signatures) eventName(topics []common.Hash) string {
	if len(topics) == 0 {
		return ""
	}
	if known := s.events[topics[0]]; len(known) > 0 {
		return known[0].RawName
	}
	return ""
}

// eventValues reads the arguments of an event, in their order. An indexed one
// that is no single word is in its topic as a hash.
func eventValues(e *abi.Event, log *chain.Log) ([]any, bool) {
	inData, err := e.Inputs.Unpack(log.Data)
	if err != nil || len(inData) != len(e.Inputs.NonIndexed()) {
		return nil, false
	}
	topics := log.Topics[1:]
	var values []any
	for _, in := range e.Inputs {
		if !in.Indexed {
			values, inData = append(values, inData[0]), inData[1:]
			continue
		}
		if len(topics) == 0 {
			return nil, false
		}
		v, err := abi.Arguments{{Type: in.Type}}.Unpack(topics[0][:])
		if !oneWord(in.Type) || err != nil {
			v = []any{topics[0]}
		}
		values, topics = append(values, v[0]), topics[1:]
	}
	return values, len(topics) == 0
}

func oneWord(t abi.Type) bool {
	switch t.T {
	case abi.StringTy, abi.BytesTy, abi.SliceTy, abi.ArrayTy, abi.TupleTy:
		return false
	}
	return true
}

func newCall(name, signature string, inputs abi.Arguments, values []any) *call {
	c := &call{Name: name, Signature: signature}
	for i, in := range inputs {
		a := argument{Name: in.Name, Type: in.Type.String(), Indexed: in.Indexed, Value: plain(valueText(values[i]))}
		if address, ok := values[i].(common.Address); ok {
			a.Address = &address
		}
		c.Arguments = append(c.Arguments, a)
	}
	return c
}

// valueText writes a decoded value. A text is foreign, and to be made plain.
func valueText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return hexutil.Encode(v)
	case *big.Int:
		return v.String()
	case common.Address:
		return hexutil.Encode(v[:])
	case common.Hash:
		return hexutil.Encode(v[:])
	}
	at := reflect.ValueOf(v)
	switch at.Kind() {
	case reflect.Array:
		if at.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, at.Len())
			reflect.Copy(reflect.ValueOf(b), at)
			return hexutil.Encode(b)
		}
		return listText(at)
	case reflect.Slice:
		return listText(at)
	case reflect.Struct:
		return structText(at)
	}
	return fmt.Sprint(v)
}

// mostElements is how much of a list is written.
const mostElements = 50

func listText(v reflect.Value) string {
	var parts []string
	for i := range v.Len() {
		if i == mostElements {
			parts = append(parts, fmt.Sprintf("… %d more", v.Len()-i))
			break
		}
		parts = append(parts, valueText(v.Index(i).Interface()))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func structText(v reflect.Value) string {
	var parts []string
	for i := range v.NumField() {
		parts = append(parts, v.Type().Field(i).Name+": "+valueText(v.Field(i).Interface()))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
