package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gapless/internal/chain"
)

// A Difference is a field that two files tell differently, as a node would.
type Difference struct {
	Block       uint64          `json:"block"`
	Part        string          `json:"part"`                  // block, transaction, receipt, log, withdrawal or uncle
	Transaction *int            `json:"transaction,omitempty"` // index of the transaction, receipt or log's transaction
	Index       *int            `json:"index,omitempty"`       // of the log in the receipt, or of the withdrawal or uncle
	Field       string          `json:"field"`
	A           json.RawMessage `json:"a"` // null if absent
	B           json.RawMessage `json:"b"`
}

// Where names block and part: block 7 receipt 2 log 0.
func (d Difference) Where() string {
	where := fmt.Sprintf("block %d", d.Block)
	switch d.Part {
	case "block":
	case "log":
		where += fmt.Sprintf(" receipt %d log %d", *d.Transaction, *d.Index)
	case "transaction", "receipt":
		where += fmt.Sprintf(" %s %d", d.Part, *d.Transaction)
	default:
		where += fmt.Sprintf(" %s %d", d.Part, *d.Index)
	}
	return where
}

// What follows from the block around it, or is compared part by part.
var (
	blockSkips       = []string{"transactions", "withdrawals", "size", "totalDifficulty"}
	transactionSkips = []string{"blockHash", "blockNumber", "blockTimestamp", "transactionIndex"}
	receiptSkips     = []string{"logs", "logsBloom", "blockHash", "blockNumber", "blockTimestamp", "transactionHash", "transactionIndex", "from", "to", "type"}
	logSkips         = []string{"blockHash", "blockNumber", "blockTimestamp", "transactionHash", "transactionIndex", "logIndex", "removed"}
)

// notTold are keys that some nodes leave out: absence is no difference.
var notTold = []string{"chainId", "gasPrice", "yParity", "accessList", "contractAddress", "effectiveGasPrice",
	"gasUsed", "blobGasUsed", "blobGasPrice"}

// differences gives the fields that differ between two blocks whose canonical
// forms do.
func differences(a, b *chain.Block) []Difference {
	d := differ{block: a.Number}
	blockA, blockB := parse(a.AppendBlock(nil, true)), parse(b.AppendBlock(nil, true))
	d.objects("block", nil, nil, blockA, blockB, blockSkips)
	receiptsA, receiptsB := parseList(a.AppendReceipts(nil)), parseList(b.AppendReceipts(nil))
	d.lists("transactions", parseList(blockA["transactions"]), parseList(blockB["transactions"]), func(i int, txA, txB object) {
		if !bytes.Equal(txA["hash"], txB["hash"]) { // another transaction: all else differs too
			d.add("transaction", &i, nil, "hash", txA["hash"], txB["hash"])
			return
		}
		d.objects("transaction", &i, nil, txA, txB, transactionSkips)
		d.receipts(i, receiptsA[i], receiptsB[i])
	})
	d.lists("withdrawals", parseList(blockA["withdrawals"]), parseList(blockB["withdrawals"]), func(i int, a, b object) {
		d.objects("withdrawal", nil, &i, a, b, nil)
	})
	d.lists("uncles", uncles(a), uncles(b), func(i int, a, b object) { d.objects("uncle", nil, &i, a, b, blockSkips) })
	if len(d.found) == 0 { // in what is kept beside the fields
		d.add("block", nil, nil, "content", nil, nil)
	}
	return d.found
}

func (d *differ) receipts(i int, a, b object) {
	d.objects("receipt", &i, nil, a, b, receiptSkips)
	logsA, logsB := parseList(a["logs"]), parseList(b["logs"])
	if len(logsA) != len(logsB) {
		d.add("receipt", &i, nil, "logs", count(len(logsA)), count(len(logsB)))
	}
	for j := range min(len(logsA), len(logsB)) {
		d.objects("log", &i, &j, logsA[j], logsB[j], logSkips)
	}
}

type object = map[string]json.RawMessage

// A differ collects the differences of two blocks.
type differ struct {
	block uint64
	found []Difference
}

func (d *differ) add(part string, tx, index *int, field string, a, b json.RawMessage) {
	null := json.RawMessage("null")
	if a == nil {
		a = null
	}
	if b == nil {
		b = null
	}
	d.found = append(d.found, Difference{d.block, part, tx, index, field, a, b})
}

func (d *differ) objects(part string, tx, index *int, a, b object, skips []string) {
	keys := slices.Collect(maps.Keys(a))
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		absent := absent(a[key]) || absent(b[key])
		switch {
		case slices.Contains(skips, key), bytes.Equal(a[key], b[key]):
		case absent && slices.Contains(notTold, key), absent && bytes.Equal(present(a[key]), present(b[key])):
		default:
			d.add(part, tx, index, key, a[key], b[key])
		}
	}
}

// lists compares lists of objects, by position.
func (d *differ) lists(name string, a, b []object, each func(i int, a, b object)) {
	if len(a) != len(b) {
		d.add("block", nil, nil, name, count(len(a)), count(len(b)))
	}
	for i := range min(len(a), len(b)) {
		each(i, a[i], b[i])
	}
}

func absent(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// present is nothing for null.
func present(raw json.RawMessage) []byte {
	if absent(raw) {
		return nil
	}
	return raw
}

func count(n int) json.RawMessage { return strconv.AppendInt(nil, int64(n), 10) }

func uncles(b *chain.Block) []object {
	all := make([]object, len(b.Uncles))
	for i := range b.Uncles {
		all[i] = parse(b.AppendUncle(nil, i))
	}
	return all
}

// parse reads what was encoded by package chain.
func parse(raw []byte) (o object) {
	_ = json.Unmarshal(raw, &o)
	return o
}

func parseList(raw json.RawMessage) (list []object) {
	if raw != nil {
		_ = json.Unmarshal(raw, &list)
	}
	return list
}
