package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"gapless/internal/scan"
)

// A call is one JSON-RPC call and, once it was made, its result or error.
type call struct {
	method string
	params []any
	within *allowance      // for the answer; nil: none
	goes   priority        // where calls are counted by the day
	block  *uint64         // that it is about; nil: none
	whole  bool            // it is for all of a block
	hush   func()          // called when the endpoint gives nothing for long; may be nil
	raw    json.RawMessage // part of the answer that it came in
	bytes  int             // of that answer, in the first of its calls
	err    error           // a *chain.Error
}

func newCall(method string, params ...any) *call {
	if params == nil {
		params = []any{} // hardhat refuses null
	}
	return &call{method: method, params: params}
}

// of sets the priority.
func (c *call) of(p priority) *call {
	c.goes = p
	return c
}

// about sets the block.
func (c *call) about(number uint64) *call {
	c.block = &number
	return c
}

// sameBlock reports whether both calls are about one block.
func (c *call) sameBlock(other *call) bool {
	return c.block != nil && other.block != nil && *c.block == *other.block
}

func (c *call) hushed() {
	if c.hush != nil {
		c.hush()
	}
}

// hex is a number as JSON-RPC has it.
func hex(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

// encodeCalls makes a request's body: an object for one call, an array for
// several. The id of call i is i+1.
func encodeCalls(calls []*call) ([]byte, error) {
	type message struct {
		Version string `json:"jsonrpc"`
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  []any  `json:"params"`
	}
	messages := make([]message, len(calls))
	for i, c := range calls {
		messages[i] = message{"2.0", i + 1, c.method, c.params}
	}
	if len(messages) == 1 {
		return json.Marshal(messages[0])
	}
	return json.Marshal(messages)
}

// A response is one answer. Neither field is set if there was none.
type response struct {
	result  json.RawMessage
	failure *rpcError
}

// is reports whether there was an answer.
func (r response) is() bool { return r.result != nil || r.failure != nil }

// A refusedError is a node's refusal of a batch as a whole.
type refusedError struct{ *rpcError }

var errNotJSON = errors.New("answer is not JSON-RPC")

// parseAnswer reads the body that answers n calls and gives the answer to each.
// Answers come in any order, with ids as numbers or strings; those to nobody's
// id are left out. A batch that is answered by one error is a *refusedError.
func parseAnswer(body []byte, n int) ([]response, error) {
	var text scan.Text
	if !utf8.Valid(body) || text.Parse(body) != nil { // RFC 8259, section 8.1
		return nil, errNotJSON
	}
	items, ok := text.Array(text.Root())
	if !ok {
		m, ok := readMessage(&text, text.Root())
		if !ok {
			return nil, errNotJSON
		}
		return single(&m, n)
	}
	messages := make([]message, 0, n)
	for items.Next() {
		m, ok := readMessage(&text, items.Item)
		if !ok && string(text.Raw(items.Item)) != "null" {
			return nil, errNotJSON
		}
		messages = append(messages, m)
	}
	if len(messages) == 1 && n > 1 {
		return single(&messages[0], n)
	}
	return pair(messages, n), nil
}

// A message is a response as it comes. What is in it is part of the body.
type message struct{ id, result, failure json.RawMessage }

// readMessage reads an object, whose keys may be in any order.
func readMessage(text *scan.Text, v scan.Value) (m message, ok bool) {
	members, ok := text.Object(v)
	for members.Next() {
		raw := text.Raw(members.Value)
		switch string(members.Key()) {
		case "id":
			m.id = raw
		case "result":
			m.result = raw
		case "error":
			m.failure = raw
		}
	}
	return m, ok
}

// single reads the only answer to n calls.
func single(m *message, n int) ([]response, error) {
	r := m.response()
	if r.failure == nil && r.result == nil {
		return nil, errNotJSON
	}
	if n > 1 {
		if r.failure != nil {
			return nil, &refusedError{r.failure}
		}
		return pair([]message{*m}, n), nil
	}
	if i, ok := m.index(n); r.failure == nil && (!ok || i != 0) {
		return nil, errNotJSON // an answer to something else
	}
	return []response{r}, nil
}

// pair puts answers in the order of the calls. The first one to an id counts.
func pair(messages []message, n int) []response {
	responses := make([]response, n)
	for i := range messages {
		at, ok := messages[i].index(n)
		if ok && responses[at].result == nil && responses[at].failure == nil {
			responses[at] = messages[i].response()
		}
	}
	return responses
}

// index gives the call that the message answers.
func (m *message) index(n int) (int, bool) {
	id, err := strconv.Atoi(strings.Trim(string(m.id), `"`))
	return id - 1, err == nil && id >= 1 && id <= n
}

func (m *message) response() response {
	if m.failure == nil || string(m.failure) == "null" {
		return response{result: m.result}
	}
	var e struct {
		Code    json.Number     `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(m.failure, &e); err != nil {
		return response{failure: &rpcError{Message: string(m.failure)}}
	}
	code, err := strconv.Atoi(e.Code.String())
	if err != nil {
		e.Message = fmt.Sprintf("%s, code %q", e.Message, e.Code)
	}
	return response{failure: &rpcError{code, e.Message, e.Data}}
}
