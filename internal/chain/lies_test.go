package chain_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// noticed says for every field of a block which checks notice that it was
// changed: at least one of them each time.
var noticed = map[string]chain.Check{
	"Header.*":                  chain.HeaderHash,
	"Uncle.*":                   chain.UnclesHash,
	"Block.Transactions":        chain.TransactionsRoot,
	"Block.UncleHashes":         chain.UnclesHash,
	"Block.Uncles":              chain.UnclesHash,
	"Block.Withdrawals":         chain.WithdrawalsRoot,
	"Withdrawal.*":              chain.WithdrawalsRoot,
	"Transaction.*":             chain.TransactionHashes,
	"Transaction.From":          chain.Senders,
	"AccessTuple.*":             chain.TransactionHashes,
	"Authorization.*":           chain.TransactionHashes,
	"Receipt.Status":            chain.ReceiptsRoot | chain.Contents,
	"Receipt.Root":              chain.ReceiptsRoot,
	"Receipt.CumulativeGasUsed": chain.ReceiptsRoot,
	"Receipt.GasUsed":           chain.Contents,
	"Receipt.ContractAddress":   chain.Contents,
	"Receipt.EffectiveGasPrice": chain.Contents,
	"Receipt.BlobGasUsed":       chain.Contents,
	"Receipt.BlobGasPrice":      0,
	"Receipt.LogsBloom":         chain.LogsBloom,
	"Receipt.Logs":              chain.ReceiptsRoot,
	"Log.*":                     chain.ReceiptsRoot,

	// no part of the encoding of some types
	"Transaction.GasPrice":             chain.TransactionHashes | chain.Contents,
	"Transaction.MaxFeePerGas":         chain.TransactionHashes | chain.Contents,
	"Transaction.MaxPriorityFeePerGas": chain.TransactionHashes | chain.Contents,
	"Transaction.MaxFeePerBlobGas":     chain.TransactionHashes | chain.Contents,
	"Transaction.ChainID":              chain.TransactionHashes | chain.Contents,
	"Transaction.AccessList":           chain.TransactionHashes | chain.Contents,
	"Transaction.BlobVersionedHashes":  chain.TransactionHashes | chain.Contents,
	"Transaction.AuthorizationList":    chain.TransactionHashes | chain.Contents,
	"Transaction.YParity":              chain.Contents,

	// of deposits only
	"Transaction.SourceHash":            chain.Contents,
	"Transaction.Mint":                  chain.Contents,
	"Transaction.IsSystemTx":            chain.Contents,
	"Transaction.DepositReceiptVersion": chain.Contents,
	"Receipt.DepositNonce":              chain.Contents,
	"Receipt.DepositReceiptVersion":     chain.Contents,

	"Deposit.*":                            chain.TransactionHashes,
	"Deposit.Nonce":                        chain.Contents,
	"Deposit.GasPrice":                     chain.Contents,
	"Deposit.MaxFeePerGas":                 chain.Contents,
	"Deposit.MaxPriorityFeePerGas":         chain.Contents,
	"Deposit.MaxFeePerBlobGas":             chain.Contents,
	"Deposit.ChainID":                      chain.Contents,
	"Deposit.AccessList":                   chain.Contents,
	"Deposit.BlobVersionedHashes":          chain.Contents,
	"Deposit.AuthorizationList":            chain.Contents,
	"Deposit.V":                            chain.Contents,
	"Deposit.R":                            chain.Contents,
	"Deposit.S":                            chain.Contents,
	"Deposit.YParity":                      chain.Contents,
	"Deposit.DepositReceiptVersion":        chain.Contents,
	"DepositReceipt.Status":                chain.ReceiptsRoot | chain.Contents,
	"DepositReceipt.Root":                  chain.ReceiptsRoot,
	"DepositReceipt.CumulativeGasUsed":     chain.ReceiptsRoot,
	"DepositReceipt.GasUsed":               chain.Contents,
	"DepositReceipt.ContractAddress":       chain.Contents,
	"DepositReceipt.EffectiveGasPrice":     chain.Contents,
	"DepositReceipt.BlobGasUsed":           chain.Contents,
	"DepositReceipt.BlobGasPrice":          0,
	"DepositReceipt.LogsBloom":             chain.LogsBloom,
	"DepositReceipt.Logs":                  chain.ReceiptsRoot,
	"DepositReceipt.DepositNonce":          chain.ReceiptsRoot | chain.Contents,
	"DepositReceipt.DepositReceiptVersion": chain.ReceiptsRoot,
}

// unnoticed are the changes that may be in no check's reach, with the reason.
var unnoticed = map[string]string{
	"change Header.Size":             "nodes count it differently",
	"drop Header.Size":               "as above",
	"change Uncle.Size":              "as above",
	"drop Uncle.Size":                "as above",
	"add Header.TotalDifficulty":     "takes the chain before",
	"add Uncle.TotalDifficulty":      "takes the chain before",
	"add Receipt.BlobGasPrice":       "takes the chain's blob schedule; anvil tells it everywhere",
	"change Receipt.BlobGasPrice":    "takes the chain's blob schedule",
	"add Transaction.ChainID":        "legacy transactions without EIP-155 are of any chain",
	"drop Receipt.BlobGasPrice":      "what is not told is no lie",
	"drop Receipt.BlobGasUsed":       "what is not told is no lie",
	"drop Receipt.ContractAddress":   "nodes differ on failed creations",
	"drop Receipt.LogsBloom":         "what is not told is no lie",
	"drop Transaction.GasPrice":      "what is not told is no lie",
	"drop Transaction.ChainID":       "what is not told is no lie",
	"drop Transaction.YParity":       "what is not told is no lie",
	"drop Receipt.EffectiveGasPrice": "what is not told is no lie",
	"add Transaction.YParity":        "what v says, of a legacy transaction",
	"drop Header.BlobGasUsed":        "none and zero have one encoding before a later field",
	"drop Header.ExcessBlobGas":      "as above",

	"change Deposit.Nonce":                  "before Regolith nothing commits to it",
	"drop Deposit.Mint":                     "none and zero have one encoding",
	"drop Deposit.GasPrice":                 "what is not told is no lie",
	"drop Deposit.DepositReceiptVersion":    "what is not told is no lie",
	"add DepositReceipt.BlobGasPrice":       "as of other receipts",
	"drop DepositReceipt.ContractAddress":   "nodes differ on failed creations",
	"drop DepositReceipt.EffectiveGasPrice": "what is not told is no lie",
	"drop DepositReceipt.LogsBloom":         "what is not told is no lie",
	"drop DepositReceipt.DepositNonce":      "before Canyon no part of the encoding; later none and zero have one",
}

// Whatever is changed in a block, a check notices it.
func TestVerifyNoticesEveryChange(t *testing.T) {
	t.Parallel()
	tried, excused := map[string]bool{}, map[string]bool{}
	for _, b := range samples(t) {
		eachField(b, func(name string, field reflect.Value) {
			tried[name] = true
			for _, c := range changes(field) {
				kept := reflect.ValueOf(field.Interface())
				field.Set(c.value)
				v := chain.Verify(b, chain.AllChecks)
				field.Set(kept)
				what := c.kind + " " + name
				switch bad := v.Failed | v.NotComputable; {
				case bad == 0 && unnoticed[what] != "":
					excused[what] = true
				case bad&wanted(name) == 0:
					t.Errorf("block %d: %s: noticed by [%s], want [%s]", b.Number, what, bad, wanted(name))
				}
			}
		})
		if v := chain.Verify(b, chain.AllChecks); !v.Verified() {
			t.Fatalf("block %d is not what it was: %s", b.Number, v.Why)
		}
	}
	if diff := gocmp.Diff(fieldNames(), slices.Sorted(maps.Keys(tried))); diff != "" {
		t.Errorf("fields that were tried (-no sample has it):\n%s", diff)
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(unnoticed)), slices.Sorted(maps.Keys(excused))); diff != "" {
		t.Errorf("changes that are unnoticed (-it is noticed, or in no sample):\n%s", diff)
	}
}

func wanted(name string) chain.Check {
	if checks, ok := noticed[name]; ok {
		return checks
	}
	part, _, _ := strings.Cut(name, ".")
	return noticed[part+".*"]
}

// samples are blocks of the recorded chains that together have all there is.
func samples(t *testing.T) (picked []*chain.Block) {
	seen := map[string]bool{}
	blocks := slices.Concat(readRecording(t, testdata+"/chain/chain.jsonl.gz").Blocks, readRecording(t, optimism).Blocks)
	slices.SortStableFunc(blocks, func(a, b recorded.Block) int { // small ones verify quickly
		return cmp.Compare(len(a.Block)+len(a.Receipts), len(b.Block)+len(b.Receipts))
	})
	for _, raw := range blocks {
		b, before := mustDecode(t, raw), len(seen)
		eachField(b, func(name string, field reflect.Value) {
			for _, c := range changes(field) {
				seen[c.kind+" "+name] = true
			}
		})
		for i := range b.Transactions {
			tx := &b.Transactions[i]
			kind := fmt.Sprint("type ", tx.Type, tx.To == nil, tx.ChainID == nil)
			if tx.Receipt.Status != nil {
				kind += fmt.Sprint(" status ", *tx.Receipt.Status)
			}
			seen[kind] = true
		}
		if len(seen) > before {
			picked = append(picked, b)
		}
	}
	return picked
}

// A part is a struct of a block, by the name that its fields have here.
var parts = map[string]reflect.Type{
	"Block":         reflect.TypeFor[chain.Block](),
	"Header":        reflect.TypeFor[chain.Header](),
	"Uncle":         reflect.TypeFor[chain.Header](),
	"Transaction":   reflect.TypeFor[chain.Transaction](),
	"AccessTuple":   reflect.TypeFor[chain.AccessTuple](),
	"Authorization": reflect.TypeFor[chain.Authorization](),
	"Receipt":       reflect.TypeFor[chain.Receipt](),
	"Log":           reflect.TypeFor[chain.Log](),
	"Withdrawal":    reflect.TypeFor[chain.Withdrawal](),

	"Deposit":        reflect.TypeFor[chain.Transaction](),
	"DepositReceipt": reflect.TypeFor[chain.Receipt](),
}

// fieldNames are all fields of a block, sorted.
func fieldNames() (names []string) {
	for part, of := range parts {
		for i := range of.NumField() {
			if f := of.Field(i); f.Type.Kind() != reflect.Struct {
				names = append(names, part+"."+f.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// eachField visits all fields of a block, and of all that is in it.
func eachField(b *chain.Block, visit func(name string, field reflect.Value)) {
	walk("Block", reflect.ValueOf(b).Elem(), visit)
}

func walk(part string, v reflect.Value, visit func(name string, field reflect.Value)) {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		switch {
		case f.Type == reflect.TypeFor[chain.Object](), f.Type == reflect.TypeFor[chain.Verdict]():
			continue // how a node answered, and what we made of it
		case f.Type.Kind() == reflect.Struct:
			if part == "Deposit" {
				walk("DepositReceipt", field, visit)
			} else {
				walk(f.Name, field, visit)
			}
			continue
		}
		visit(part+"."+f.Name, field)
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			element := f.Type.Elem().Name()
			if f.Name == "Uncles" {
				element = "Uncle"
			}
			for j := range field.Len() {
				if tx, ok := field.Index(j).Interface().(chain.Transaction); ok && tx.Type == 0x7e {
					element = "Deposit"
				} else if ok {
					element = "Transaction"
				}
				walk(element, field.Index(j), visit)
			}
		}
	}
}

// A change is another value for a field.
type change struct {
	kind  string
	value reflect.Value
}

func changes(v reflect.Value) []change {
	switch v.Kind() {
	case reflect.Pointer:
		other := reflect.New(v.Type().Elem())
		if v.IsNil() {
			other.Elem().Set(altered(other.Elem()))
			return []change{{"add", other}}
		}
		other.Elem().Set(altered(v.Elem()))
		return []change{{"change", other}, {"drop", reflect.Zero(v.Type())}}
	case reflect.Slice:
		return listChanges(v)
	}
	return []change{{"change", altered(v)}}
}

// listChanges adds, drops, repeats, alters and reorders.
func listChanges(v reflect.Value) []change {
	n := v.Len()
	list := func(items ...reflect.Value) reflect.Value {
		return reflect.Append(reflect.MakeSlice(v.Type(), 0, len(items)), items...)
	}
	var items []reflect.Value
	for i := range n {
		items = append(items, v.Index(i))
	}
	all := []change{{"add", list(append(items, reflect.Zero(v.Type().Elem()))...)}}
	if n == 0 {
		return all
	}
	all = append(all, change{"drop", list(items[:n-1]...)}, change{"repeat", list(append(items, items[n-1])...)})
	if v.Type().Elem().Kind() != reflect.Struct { // the fields of a struct have their own turn
		all = append(all, change{"change", list(append(items[:n-1:n-1], altered(items[n-1]))...)})
	}
	if n > 1 && !reflect.DeepEqual(items[0].Interface(), items[n-1].Interface()) {
		swapped := slices.Clone(items)
		swapped[0], swapped[n-1] = items[n-1], items[0]
		all = append(all, change{"swap", list(swapped...)})
	}
	return all
}

// altered gives a value that is off by one, or by one bit of the last byte.
func altered(v reflect.Value) reflect.Value {
	other := reflect.New(v.Type()).Elem()
	other.Set(v)
	switch {
	case v.Kind() == reflect.Bool:
		other.SetBool(!v.Bool())
	case v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Uint64: // a uint256.Int
		other.Index(0).SetUint(v.Index(0).Uint() + 1)
	case v.Kind() == reflect.Array:
		last := other.Index(v.Len() - 1)
		last.SetUint(last.Uint() ^ 1)
	default:
		other.SetUint(v.Uint() + 1)
	}
	return other
}

// untold are keys whose values nothing commits to: see unnoticed.
var untold = []string{
	"size", "totalDifficulty", "blobGasPrice",
	"l1GasPrice", "l1GasUsed", "l1Fee", "l1FeeScalar", "l1BlobBaseFee", "l1BaseFeeScalar", "l1BlobBaseFeeScalar",
	"operatorFeeScalar", "operatorFeeConstant", "daFootprintGasScalar",
}

// Whatever is changed in a node's answers, also in what they repeat, is refused
// when it is decoded, or a check notices it.
func TestVerifyNoticesEveryKey(t *testing.T) {
	t.Parallel()
	for _, b := range samples(t) {
		raw := encode(b)
		answers := map[string]any{"block": parse(raw.Block), "receipts": parse(raw.Receipts), "uncles": parseAll(raw.Uncles)}
		eachLeaf(answers, "", func(key string, leaf any, set func(any)) {
			if slices.Contains(untold, key) || key == "nonce" && beforeRegolith(b) {
				return
			}
			set(alteredLeaf(leaf))
			lie, err := decode(answered(answers))
			set(leaf)
			if err != nil {
				return
			}
			if v := chain.Verify(lie, chain.AllChecks); v.Verified() {
				t.Errorf("block %d: another %s than %v is not noticed", b.Number, key, leaf)
			}
		})
	}
}

// The same beside a key that is unknown; and under another key, twice or not at
// all a value is missed, unless nothing needs it: see unnoticed.
func TestVerifyNoticesEveryKeySpoiled(t *testing.T) {
	t.Parallel()
	for i, b := range samples(t) {
		if i%3 != 0 { // each takes long
			continue
		}
		raw := encode(b)
		answers := map[string]any{"block": parse(raw.Block), "receipts": parse(raw.Receipts), "uncles": parseAll(raw.Uncles)}
		eachObject(answers, func(o object) {
			for _, key := range slices.Sorted(maps.Keys(o)) {
				if slices.Contains(untold, key) {
					continue
				}
				value := o[key]
				if leaf(value) && !(key == "nonce" && beforeRegolith(b)) {
					o["unknown"], o[key] = "0x1", alteredLeaf(value)
					if lie, err := decode(answered(answers)); err == nil && chain.Verify(lie, chain.AllChecks).Verified() {
						t.Errorf("block %d: another %s beside an unknown key is not noticed", b.Number, key)
					}
					delete(o, "unknown")
				}
				delete(o, key)
				checkAbsent(t, b, answered(answers), "no "+key)
				o[key+"x"] = value
				checkAbsent(t, b, answered(answers), key+"x for "+key)
				delete(o, key+"x")
				o[key] = value
			}
		})
	}
}

// checkAbsent expects that a block without a key is noticed, or has all else,
// and none for a value that no check needs.
func checkAbsent(t *testing.T, want *chain.Block, raw recorded.Block, what string) {
	t.Helper()
	got, err := decode(raw)
	if err != nil || !chain.Verify(got, chain.AllChecks).Verified() {
		return
	}
	fields := map[string][]any{}
	eachField(want, func(name string, field reflect.Value) { fields[name] = append(fields[name], field.Interface()) })
	eachField(got, func(name string, field reflect.Value) {
		wanted := fields[name][0]
		fields[name] = fields[name][1:]
		if strings.HasSuffix(name, "s") && field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct {
			return // of its fields each has its turn
		}
		same := gocmp.Equal(wanted, field.Interface(), cmpopts.EquateEmpty()) // none and an empty list have one encoding
		if !same && (!field.IsZero() || unnoticed["drop "+name] == "") {
			t.Errorf("block %d: %s: %s is %v, and not noticed", want.Number, what, name, field)
		}
	})
}

// eachObject visits all objects, of which it is told each once.
func eachObject(v any, visit func(object)) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["receipts"]; !ok {
			visit(v)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			eachObject(v[key], visit)
		}
	case []any:
		for _, item := range v {
			eachObject(item, visit)
		}
	}
}

// beforeRegolith reports whether the block has deposits whose nonce nothing
// commits to.
func beforeRegolith(b *chain.Block) bool {
	return len(b.Transactions) > 0 && b.Transactions[0].Type == 0x7e && b.Transactions[0].Receipt.DepositNonce == nil
}

// eachLeaf visits the values that are no objects or arrays, by their key.
func eachLeaf(v any, key string, visit func(key string, leaf any, set func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			if leaf(item) {
				visit(k, item, func(other any) { v[k] = other })
			}
			eachLeaf(item, k, visit)
		}
	case []any:
		for i, item := range v {
			if leaf(item) {
				visit(key, item, func(other any) { v[i] = other })
			}
			eachLeaf(item, key, visit)
		}
	}
}

func leaf(v any) bool {
	kind := reflect.ValueOf(v).Kind()
	return kind != reflect.Map && kind != reflect.Slice
}

// alteredLeaf gives another value in the same form.
func alteredLeaf(v any) any {
	switch v := v.(type) {
	case bool:
		return !v
	case string:
		last := len(v) - 1
		if v == "0x" {
			return "0x00"
		}
		return v[:last] + map[bool]string{true: "0", false: "1"}[v[last] == '1']
	}
	return "0x1000000000000000000000000000000000000001" // null, where geth says so
}
