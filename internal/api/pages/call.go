package pages

import (
	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/chain"
)

// A call is a function that is called, or an event that is logged.
type call struct {
	Name      string
	Signature string
	Arguments []argument
}

// An argument is one parameter with its value.
type argument struct {
	Name, Type string // foreign text, both
	Indexed    bool
	Address    *common.Address // nil if it is none
	Value      string          // plain
}

// call reads a transaction's input; nil if no known function fits it.
func (s *Signatures) call(input []byte) *call {
	if len(input) < 4 {
		return nil
	}
	for _, m := range s.methods[[4]byte(input)] {
		d := decoder{data: input[4:], left: mostWritten}
		if values, err := d.values(m.inputs); err == nil {
			return newCall(m, values)
		}
	}
	return nil
}

// event reads a log; nil if no known event fits it.
func (s *Signatures) event(log *chain.Log) *call {
	if len(log.Topics) == 0 {
		return nil
	}
	for _, e := range s.events[log.Topics[0]] {
		if values, ok := eventValues(e, log); ok {
			return newCall(e, values)
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
		return known[0].name
	}
	return ""
}

// eventName names the event of a log by its first topic.
func (s *Signatures) eventName(topics []common.Hash) string {
	if len(topics) == 0 {
		return ""
	}
	if known := s.events[topics[0]]; len(known) > 0 {
		return known[0].name
	}
	return ""
}

// eventValues reads the arguments of an event, in their order. An indexed one
// that is no single word is in its topic as a hash.
func eventValues(e *declaration, log *chain.Log) ([]string, bool) {
	var inData []parameter
	for _, in := range e.inputs {
		if !in.indexed {
			inData = append(inData, in)
		}
	}
	topics := log.Topics[1:]
	if len(topics) != len(e.inputs)-len(inData) {
		return nil, false
	}
	d := decoder{data: log.Data, left: mostWritten}
	values, err := d.values(inData)
	if err != nil {
		return nil, false
	}
	var all []string
	for _, in := range e.inputs {
		if !in.indexed {
			all, values = append(all, values[0]), values[1:]
			continue
		}
		text, ok := topics[0].Hex(), true
		if in.kind < kindBytes {
			text, ok = wordText(in.abiType, topics[0][:])
		}
		if !ok {
			return nil, false
		}
		all, topics = append(all, text), topics[1:]
	}
	return all, true
}

func newCall(of *declaration, values []string) *call {
	c := &call{Name: of.name, Signature: of.signature()}
	for i, in := range of.inputs {
		a := argument{Name: in.name, Type: in.abiType.name, Indexed: in.indexed, Value: values[i]}
		if address, ok := parseAddress(values[i]); ok && in.kind == kindAddress {
			a.Address = &address
		}
		c.Arguments = append(c.Arguments, a)
	}
	return c
}
