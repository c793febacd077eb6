//go:build e2e && unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gapless/internal/e2e/nodes"
)

// An item is one call and its answer.
type item struct {
	method string
	params []json.RawMessage
	id     json.RawMessage
	result json.RawMessage // nil: an error
	err    json.RawMessage // nil: none
	more   string          // text to put after the answer, as another item

	dropped bool
	proxy   *proxy  // of the fault that is under way
	others  []*item // of the same message, this one too
}

// pair puts the items of a message and its answer together. An answer that is
// not JSON-RPC has no items.
func pair(message, body []byte) (items []*item, isBatch bool) {
	type request struct {
		ID     json.RawMessage
		Method string
		Params []json.RawMessage
	}
	type reply struct{ ID, Result, Error json.RawMessage }
	isBatch = bytes.HasPrefix(bytes.TrimSpace(message), []byte("["))
	var requests []request
	var replies []reply
	if !isBatch {
		message, body = array(message), array(body)
	}
	if json.Unmarshal(message, &requests) != nil || json.Unmarshal(body, &replies) != nil {
		return nil, isBatch
	}
	calls := make(map[string]request)
	for _, r := range requests {
		calls[string(r.ID)] = r
	}
	for _, r := range replies {
		c := calls[string(r.ID)]
		i := &item{method: c.Method, params: c.Params, id: r.ID, result: r.Result, err: r.Error}
		if i.result == nil && i.err == nil {
			i.result = json.RawMessage("null")
		}
		items = append(items, i)
	}
	for _, i := range items {
		i.others = items
	}
	return items, isBatch
}

func array(text []byte) []byte { return append(append([]byte("["), text...), ']') }

// encode writes items as a node does.
func encode(items []*item, isBatch bool) []byte {
	var texts []string
	for _, i := range items {
		if i.dropped {
			continue
		}
		text := `{"jsonrpc":"2.0","id":` + string(i.id)
		if i.result != nil {
			text += `,"result":` + string(i.result)
		}
		if i.err != nil {
			text += `,"error":` + string(i.err)
		}
		texts = append(texts, text+"}")
		if i.more != "" {
			texts = append(texts, i.more)
		}
	}
	if !isBatch {
		return []byte(strings.Join(texts, "\n"))
	}
	return []byte("[" + strings.Join(texts, ",") + "]")
}

// isHead reports whether the item tells of the latest block.
func (i *item) isHead() bool {
	return i.method == "eth_getBlockByNumber" && len(i.params) > 0 && string(i.params[0]) == `"latest"`
}

// isBlock reports whether the result is a block or a header.
func (i *item) isBlock() bool {
	return strings.HasPrefix(i.method, "eth_getBlockBy") && bytes.HasPrefix(i.result, []byte("{"))
}

// block gives the number of the block that the item is a part of, which is not
// asked for by a tag.
func (i *item) block() (uint64, bool) {
	var what string
	switch {
	case len(i.params) == 0 || json.Unmarshal(i.params[0], &what) != nil || !strings.HasPrefix(what, "0x"):
		return 0, false
	case i.method == "eth_getBlockByNumber" || i.method == "eth_getBlockReceipts" && len(what) < 66:
		return quantity(what)
	case i.method == "eth_getTransactionReceipt" || i.method == "eth_getBlockReceipts":
		if m := numberField.FindSubmatch(i.result); m != nil {
			return quantity(string(m[1]))
		}
	}
	return 0, false
}

var numberField = regexp.MustCompile(`"blockNumber":\s*"(0x[0-9a-f]+)"`)

func quantity(text string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	return n, err == nil
}

// edit changes the result, which has to be of the form of T. It reports whether
// it was and change had something to change.
func edit[T any](i *item, change func(*T) bool) bool {
	var value T
	d := json.NewDecoder(bytes.NewReader(i.result))
	d.UseNumber() // anvil has some
	if i.result == nil || string(i.result) == "null" || d.Decode(&value) != nil || !change(&value) {
		return false
	}
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	i.result = text
	return true
}

type object = map[string]any

// flip changes a digit of a value in hex, to one that leaves a quantity without
// leading zeros.
func (i *item) flip(text string) string {
	if len(text) < 3 || text[:2] != "0x" {
		return text
	}
	at := 2 + i.proxy.rand.IntN(len(text)-2)
	digits := strings.ReplaceAll("123456789abcdef", text[at:at+1], "")
	d := digits[i.proxy.rand.IntN(len(digits))]
	return text[:at] + string(d) + text[at+1:]
}

// flipField flips a digit of a field that has a text in hex.
func (i *item) flipField(o object, name string) bool {
	text, ok := o[name].(string)
	if !ok || len(text) < 3 {
		return false
	}
	o[name] = i.flip(text)
	return o[name] != text
}

// ask asks the node, which the proxy's lock does not hinder.
func (i *item) ask(method string, params ...any) json.RawMessage {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	raw, err := nodes.Call(ctx, i.proxy.node.HTTP, method, params...)
	if err != nil {
		return nil
	}
	return raw
}
