//go:build e2e && unix

package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// gapFaults leave an answer out, give it to another call or give another one in
// its place. What they give is the node's.
func gapFaults() []fault {
	return []fault{
		{name: "RPC error", item: func(i *item) bool {
			i.result, i.err = nil, json.RawMessage(`{"code":-32000,"message":"injected"}`)
			return true
		}},
		{name: "null block", item: func(i *item) bool { return i.isBlock() && i.give("null") }},
		{name: "null receipts", item: func(i *item) bool { return i.isReceipts() && i.give("null") }},
		{name: "empty result", item: func(i *item) bool { return i.result != nil && i.give("{}") }},
		{name: "text for a result", item: func(i *item) bool { return i.result != nil && i.give(`"busy"`) }},
		{name: "no answer", item: func(i *item) bool { i.dropped = true; return len(i.others) > 1 }},
		{name: "wrong id", item: func(i *item) bool { i.id = json.RawMessage("4294967295"); return true }},
		{name: "null id", item: func(i *item) bool { i.id = json.RawMessage("null"); return len(i.others) > 1 }},
		{name: "answers swapped", item: swapAnswers},
		{name: "all answers turned", item: turnAnswers},
		{name: "answer and error", item: func(i *item) bool {
			i.err = json.RawMessage(`{"code":-32000,"message":"injected"}`)
			return i.result != nil
		}},
		{name: "block of another number", item: func(i *item) bool {
			number, ok := i.block()
			return ok && number > 0 && i.method == "eth_getBlockByNumber" && i.replace(i.method, hex(number-1), len(i.params) > 1 && string(i.params[1]) == "true")
		}},
		{name: "receipts of another block", item: otherReceipts},
		{name: "transactions as hashes", item: func(i *item) bool {
			number, ok := i.block()
			return ok && i.method == "eth_getBlockByNumber" && i.replace(i.method, hex(number), false)
		}},
		{name: "stale head", item: func(i *item) bool {
			if !i.isHead() || len(i.proxy.heads) == 0 {
				return false
			}
			return i.give(string(i.proxy.heads[i.proxy.rand.IntN(len(i.proxy.heads))]))
		}},
		{name: "head is the first block", item: func(i *item) bool {
			return i.isHead() && i.replace(i.method, "0x0", false)
		}},
	}
}

// lieFaults give something else than the node. A program that does not compute
// hashes and roots believes some of them.
func lieFaults() []fault {
	inBlock := func(name string, change func(*item, object) bool) fault {
		return fault{name: name, item: func(i *item) bool {
			return i.isBlock() && edit(i, func(o *object) bool { return change(i, *o) })
		}}
	}
	field := func(name, key string) fault {
		return inBlock(name, func(i *item, o object) bool { return i.flipField(o, key) })
	}
	inReceipt := func(name string, change func(*item, object) bool) fault {
		return fault{name: name, item: func(i *item) bool { return editReceipt(i, change) }}
	}
	inLogs := func(name string, change func(*item, []any) ([]any, bool)) fault {
		return inReceipt(name, func(i *item, r object) bool {
			logs, _ := r["logs"].([]any)
			if len(logs) == 0 {
				return false
			}
			var ok bool
			r["logs"], ok = change(i, slices.Clone(logs))
			return ok
		})
	}
	inList := func(name, key string, change func(*item, []any) ([]any, bool)) fault {
		return inBlock(name, func(i *item, o object) bool {
			list, _ := o[key].([]any)
			var ok bool
			o[key], ok = change(i, slices.Clone(list))
			return ok
		})
	}
	return []fault{
		field("altered hash", "hash"), field("altered parent hash", "parentHash"), field("altered bloom", "logsBloom"),
		field("altered state root", "stateRoot"), field("altered transactions root", "transactionsRoot"),
		field("altered receipts root", "receiptsRoot"), field("altered gas used", "gasUsed"),
		field("altered timestamp", "timestamp"), field("altered extra data", "extraData"), field("altered number", "number"),
		inList("altered uncle", "uncles", func(i *item, list []any) ([]any, bool) {
			return append(list, "0x"+fmt.Sprintf("%064x", i.proxy.rand.Uint64())), true
		}),
		inList("missing transaction", "transactions", drop), inList("duplicated transaction", "transactions", double),
		inList("transactions in another order", "transactions", turn),
		inList("altered transaction", "transactions", func(i *item, list []any) ([]any, bool) {
			return list, flipIn(i, list, "value", "input", "nonce", "to", "hash", "r", "gas", "blockHash", "from", "transactionIndex")
		}),
		inBlock("missing field", func(i *item, o object) bool {
			return remove(i, o, "stateRoot", "parentHash", "receiptsRoot", "gasUsed", "transactions")
		}),
		inBlock("wrong type", func(i *item, o object) bool { o["stateRoot"] = object{}; return true }),
		{name: "duplicate key", item: doubleKey},
		{name: "empty receipts", item: func(i *item) bool {
			return i.method == "eth_getBlockReceipts" && len(i.result) > 4 && i.give("[]")
		}},
		{name: "missing receipt", item: editList(drop)}, {name: "duplicated receipt", item: editList(double)},
		{name: "receipts in another order", item: editList(turn)},
		inReceipt("altered receipt", func(i *item, r object) bool {
			return flipIn(i, []any{r}, "cumulativeGasUsed", "gasUsed", "transactionHash", "logsBloom", "blockHash", "status", "type")
		}),
		inLogs("altered log", func(i *item, logs []any) ([]any, bool) {
			return logs, flipIn(i, logs, "data", "address", "logIndex", "transactionHash", "blockNumber")
		}),
		inLogs("altered topic", func(i *item, logs []any) ([]any, bool) {
			log, _ := logs[i.proxy.rand.IntN(len(logs))].(object)
			topics, _ := log["topics"].([]any)
			if len(topics) == 0 {
				return nil, false
			}
			at := i.proxy.rand.IntN(len(topics))
			topics[at] = i.flip(topics[at].(string))
			return logs, true
		}),
		inLogs("missing log", drop), inLogs("duplicated log", double), inLogs("removed log", func(i *item, logs []any) ([]any, bool) {
			log, ok := logs[i.proxy.rand.IntN(len(logs))].(object)
			log["removed"] = true
			return logs, ok
		}),
		{name: "altered digit", item: flipAny},
		{name: "answered twice", item: answerTwice},
	}
}

func hex(number uint64) string { return fmt.Sprintf("%#x", number) }

// give puts another result in the place of the node's.
func (i *item) give(text string) bool {
	if string(i.result) == text {
		return false
	}
	i.result = json.RawMessage(text)
	return true
}

// replace puts the node's answer to another call in the place of the result.
func (i *item) replace(method string, params ...any) bool {
	other := i.ask(method, params...)
	return other != nil && i.give(string(other))
}

// isReceipts reports whether the result is a block's receipts, or one of them.
func (i *item) isReceipts() bool {
	return (i.method == "eth_getBlockReceipts" || i.method == "eth_getTransactionReceipt") && len(i.result) > 0 && string(i.result) != "null"
}

func swapAnswers(i *item) bool {
	other := i.others[i.proxy.rand.IntN(len(i.others))]
	if other == i || string(other.result) == string(i.result) {
		return false
	}
	i.result, other.result, i.err, other.err = other.result, i.result, other.err, i.err
	return true
}

// turnAnswers gives each call the answer of the next one of its method.
func turnAnswers(i *item) bool {
	var same []*item
	for _, o := range i.others {
		if o.method == i.method {
			same = append(same, o)
		}
	}
	if len(same) < 2 {
		return false
	}
	first, err := same[0].result, same[0].err
	for j := range same[:len(same)-1] {
		same[j].result, same[j].err = same[j+1].result, same[j+1].err
	}
	same[len(same)-1].result, same[len(same)-1].err = first, err
	return true
}

func otherReceipts(i *item) bool {
	number, ok := i.block()
	switch {
	case !ok || number == 0 || !i.isReceipts():
		return false
	case i.method == "eth_getBlockReceipts":
		return i.replace(i.method, hex(number-1))
	}
	var before struct{ Transactions []string }
	if json.Unmarshal(i.ask("eth_getBlockByNumber", hex(number-1), false), &before) != nil || len(before.Transactions) == 0 {
		return false
	}
	return i.replace(i.method, before.Transactions[0])
}

// editReceipt changes one receipt.
func editReceipt(i *item, change func(*item, object) bool) bool {
	switch {
	case !i.isReceipts():
		return false
	case i.method == "eth_getTransactionReceipt":
		return edit(i, func(r *object) bool { return change(i, *r) })
	}
	return edit(i, func(all *[]object) bool { return len(*all) > 0 && change(i, (*all)[i.proxy.rand.IntN(len(*all))]) })
}

func editList(change func(*item, []any) ([]any, bool)) func(*item) bool {
	return func(i *item) bool {
		return i.method == "eth_getBlockReceipts" && edit(i, func(all *[]any) (ok bool) {
			*all, ok = change(i, *all)
			return ok
		})
	}
}

func drop(i *item, list []any) ([]any, bool) {
	if len(list) == 0 {
		return nil, false
	}
	at := i.proxy.rand.IntN(len(list))
	return slices.Delete(list, at, at+1), true
}

func double(i *item, list []any) ([]any, bool) {
	if len(list) == 0 {
		return nil, false
	}
	at := i.proxy.rand.IntN(len(list))
	return slices.Insert(list, at, list[at]), true
}

func turn(_ *item, list []any) ([]any, bool) {
	slices.Reverse(list)
	return list, len(list) > 1
}

// flipIn flips a digit in one of the keys of one of the objects.
func flipIn(i *item, list []any, keys ...string) bool {
	if len(list) == 0 {
		return false
	}
	o, _ := list[i.proxy.rand.IntN(len(list))].(object)
	return i.flipField(o, keys[i.proxy.rand.IntN(len(keys))])
}

func remove(i *item, o object, keys ...string) bool {
	key := keys[i.proxy.rand.IntN(len(keys))]
	_, ok := o[key]
	delete(o, key)
	return ok
}

// doubleKey gives a field again, with another value.
func doubleKey(i *item) bool {
	m := doubled.FindSubmatch(i.result)
	if !i.isBlock() || m == nil {
		return false
	}
	again := fmt.Sprintf(`,%q:%q}`, m[1], i.flip(string(m[2])))
	return i.give(string(i.result[:len(i.result)-1]) + again)
}

var (
	doubled = regexp.MustCompile(`"(parentHash|stateRoot|receiptsRoot|transactionsRoot)":\s*"(0x[0-9a-f]{64})"`)
	inHex   = regexp.MustCompile(`"(\w+)":\s*"(0x[0-9a-f]+)"`)
	// untold are fields that nothing in a block proves.
	untold = []string{"size", "totalDifficulty", "blobGasPrice"}
)

// flipAny flips a digit of any value.
func flipAny(i *item) bool {
	var places [][]int
	for _, m := range inHex.FindAllSubmatchIndex(i.result, -1) {
		if !slices.Contains(untold, string(i.result[m[2]:m[3]])) {
			places = append(places, m)
		}
	}
	if len(places) == 0 {
		return false
	}
	at := places[i.proxy.rand.IntN(len(places))]
	return i.give(string(i.result[:at[4]]) + i.flip(string(i.result[at[4]:at[5]])) + string(i.result[at[5]:]))
}

// answerTwice answers a call of a batch a second time, with an error.
func answerTwice(i *item) bool {
	i.more = fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"injected"}}`, i.id)
	return len(i.others) > 1
}
