package chain_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// However a node writes a value, decoding keeps it, and gives it again: hex in
// lower case, quantities minimal, all else as it came.
func TestLenient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		value string // JSON, "" for a missing key
		again string // "" for value
	}{
		{name: "minimal", value: `"0x1f"`},
		{name: "number", value: `31`},
		{name: "big number", value: `18446744073709551615`},
		{name: "upper case", value: `"0x1F"`, again: `"0x1f"`},
		{name: "upper case prefix", value: `"0X1F"`, again: `"0x1f"`},
		{name: "leading zeros", value: `"0x0000000000000000000000000000000000000000000000000000000000000000000001f"`, again: `"0x1f"`},
		{name: "empty hex", value: `"0x"`, again: `"0x0"`},
		{name: "zeros", value: `"0x00"`, again: `"0x0"`},
		{name: "escaped", value: `"\u0030x1f"`, again: `"0x1f"`},
		{name: "63 bits", value: `"0x7fffffffffffffff"`},
		{name: "64 bits", value: `"0x8000000000000000"`},
		{name: "64 bits, all", value: `"0xffffffffffffffff"`},
		{name: "65 bits", value: `"0x10000000000000000"`},
		{name: "256 bits", value: `"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`},
		{name: "257 bits", value: `"0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`},
		{name: "decimal string", value: `"31"`},
		{name: "text", value: `"none"`},
		{name: "bad digit", value: `"0xg"`},
		{name: "bool", value: `true`},
		{name: "object", value: `{"a":[1,null]}`},
		{name: "null", value: `null`},
		{name: "missing", value: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, key := range quantities {
				raw := replaced(key, tt.value)
				again := tt.value
				if tt.again != "" {
					again = tt.again
				}
				checkAgain(t, raw, replaced(key, again), key)
			}
			for _, key := range repeated { // a contradiction is kept as it came
				checkAgain(t, replaced(key, tt.value), replaced(key, tt.value), key)
			}
		})
	}
}

func TestLenientData(t *testing.T) {
	upper := `"0x` + strings.Repeat("AB", 32) + `"`
	for _, key := range []string{"block.stateRoot", "block.extraData", "tx.r", "tx.input", "receipt.root", "log.data"} {
		checkAgain(t, replaced(key, upper), replaced(key, strings.ToLower(upper)), key)
	}
	// what can't be read is kept
	for _, key := range []string{"block.stateRoot", "block.logsBloom", "tx.from", "tx.to", "receipt.contractAddress", "log.address"} {
		for _, value := range []string{upper[:9] + `"`, `"0x"`, `"0x1"`, `"0xg"`, `7`, `null`, ``, `["0x1"]`} {
			checkAgain(t, replaced(key, value), replaced(key, value), key)
		}
	}
}

func TestLenientLists(t *testing.T) {
	for _, value := range []string{`[]`, `null`, ``} {
		for _, key := range []string{"block.withdrawals", "tx.accessList", "tx.blobVersionedHashes", "tx.authorizationList", "log.topics"} {
			checkAgain(t, replaced(key, value), replaced(key, value), key)
		}
		for _, key := range []string{"block.uncles", "block.transactions", "block.withdrawals"} {
			bare := func(raw recorded.Block) recorded.Block {
				return recorded.Block{Block: raw.Block, Receipts: json.RawMessage(`[]`)}
			}
			empty := edited(func(a *answers) {
				a.Block["uncles"], a.Block["transactions"] = []any{}, []any{}
				if a.Block[key[6:]] = json.RawMessage(value); value == "" {
					delete(a.Block, key[6:])
				}
			})
			checkAgain(t, bare(empty), bare(empty), key)
		}
	}
	// what can't be read is kept
	for _, value := range []string{`{}`, `7`, `["0x12"]`, `[null]`, `[{"address":"0x12","storageKeys":[]}]`, `[{"nonce":31}]`} {
		for _, key := range []string{"tx.accessList", "tx.blobVersionedHashes", "tx.authorizationList", "log.topics"} {
			checkAgain(t, replaced(key, value), replaced(key, value), key)
		}
	}
}

var quantities = []string{
	"block.gasLimit", "block.timestamp", "block.difficulty", "block.baseFeePerGas", "block.slotNumber", "block.totalDifficulty",
	"tx.type", "tx.nonce", "tx.gas", "tx.value", "tx.v", "tx.chainId", "tx.gasPrice", "tx.yParity", "tx.maxFeePerBlobGas",
	"receipt.status", "receipt.cumulativeGasUsed", "receipt.gasUsed", "receipt.blobGasPrice", "withdrawal.amount",
	"authorization.chainId", "authorization.nonce",
}

// repeated are keys that say again what the block around them says.
var repeated = []string{"tx.transactionIndex", "tx.blockNumber", "receipt.type", "receipt.blockNumber", "log.logIndex", "log.removed"}

// replaced gives a node's answers with another value, or none, for the key of
// an object: "tx.nonce".
func replaced(key, value string) recorded.Block {
	part, key, _ := strings.Cut(key, ".")
	return edited(func(a *answers) {
		authorization := object{"chainId": "0x1", "address": "0x1111111111111111111111111111111111111111",
			"nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x2"}
		a.tx(1)["authorizationList"] = []any{authorization}
		objects := map[string]object{"block": a.Block, "tx": a.tx(1), "receipt": a.Receipts[1], "log": a.log(1, 0),
			"withdrawal": a.Block["withdrawals"].([]any)[0].(object), "authorization": authorization}
		if value == "" {
			delete(objects[part], key)
		} else {
			objects[part][key] = json.RawMessage(value)
		}
	})
}

// spliced gives a node's answers with more at the beginning of an object.
func spliced(part, more string) recorded.Block {
	raw := replaced(part+".first", `1`)
	splice := func(text []byte) json.RawMessage { return bytes.Replace(text, []byte(`"first":1`), []byte(more), 1) }
	raw.Block, raw.Receipts = splice(raw.Block), splice(raw.Receipts)
	return raw
}

func checkAgain(t *testing.T, raw, want recorded.Block, key string) {
	t.Helper()
	b, err := decode(raw)
	if err != nil {
		t.Errorf("%s: %v", key, err)
		return
	}
	if diff := diffAnswers(want, encode(b)); diff != "" {
		t.Errorf("%s given again (-want +got):\n%s", key, diff)
	}
	if err := b.Restore(); err != nil {
		t.Errorf("%s restored: %v", key, err)
	} else if diff := diffAnswers(want, encode(b)); diff != "" {
		t.Errorf("%s restored (-want +got):\n%s", key, diff)
	}
	chain.Verify(b, chain.AllChecks)
}

// What is read is the value, whatever its form; past 63 bits too.
func TestLenientValues(t *testing.T) {
	b := editedBlock(t, func(a *answers) {
		a.Block["gasLimit"] = json.RawMessage(`18446744073709551615`)
		a.tx(0)["nonce"], a.tx(0)["v"] = "0xffffffffffffffff", "0x8000000000000000"
		a.tx(1)["chainId"] = "0x000000ffffffffffffffff"
		a.tx(1)["value"] = json.RawMessage(`115792089237316195423570985008687907853269984665640564039457584007913129639935`)
	})
	got := []string{hexutil.EncodeUint64(b.GasLimit), hexutil.EncodeUint64(b.Transactions[0].Nonce), b.Transactions[0].V.Hex(),
		b.Transactions[1].ChainID.Hex(), b.Transactions[1].Value.Hex()}
	want := []string{"0xffffffffffffffff", "0xffffffffffffffff", "0x8000000000000000", "0xffffffffffffffff", "0x" + strings.Repeat("f", 64)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A signed column holds none of them: they are in Extra too.
	for what, o := range map[string]*chain.Object{"block": &b.Object, "nonce and v": &b.Transactions[0].Object, "chain id": &b.Transactions[1].Object} {
		if o.Extra == nil || o.Unknown() {
			t.Errorf("%s: extra %s, unknown %v", what, o.Extra, o.Unknown())
		}
	}
}

// What can't be used is refused, with the class that says what to do.
func TestRefused(t *testing.T) {
	other := "0x1111111111111111111111111111111111111111111111111111111111111111"
	for _, tt := range []struct {
		name string
		raw  recorded.Block
		want chain.Class
	}{
		{"null block", recorded.Block{Block: json.RawMessage(`null`)}, chain.NotYet},
		{"no block", recorded.Block{}, chain.NotYet},
		{"text", recorded.Block{Block: json.RawMessage(`"block"`)}, chain.Invalid},
		{"array", recorded.Block{Block: json.RawMessage(`[]`)}, chain.Invalid},
		{"broken", recorded.Block{Block: json.RawMessage(`{"hash":`)}, chain.Invalid},
		{"empty", recorded.Block{Block: json.RawMessage(`{}`)}, chain.Invalid},
		{"pending", replaced("block.hash", "null"), chain.Invalid},
		{"no number", replaced("block.number", ""), chain.Invalid},
		{"negative", replaced("block.timestamp", `-1`), chain.Invalid},
		{"minus zero", replaced("block.difficulty", `-0`), chain.Invalid},
		{"fraction", replaced("tx.value", `1.5`), chain.Invalid},
		{"exponent", replaced("receipt.gasUsed", `1e3`), chain.Invalid},
		{"past all floats", replaced("withdrawal.amount", `1e999`), chain.Invalid},
		{"exponent in a list", replaced("authorization.nonce", `1e999`), chain.Invalid},
		{"exponent that is repeated", replaced("log.logIndex", `0e0`), chain.Invalid},
		{"key twice", spliced("block", `"timestamp":"0x1"`), chain.Invalid},
		{"key twice, the same value", spliced("block", `"extraData":"0x","extraData":"0x"`), chain.Invalid},
		{"unknown key twice", spliced("block", `"more":1,"more":1`), chain.Invalid},
		{"key twice, once with an escape", spliced("tx", `"v\u0061lue":"0x1"`), chain.Invalid},
		{"key of a log twice", spliced("log", `"data":"0x"`), chain.Invalid},
		{"key that is not UTF-8", spliced("block", "\"mor\xff\":1"), chain.Invalid},
		{"key that is half a pair", spliced("receipt", `"\ud800":1`), chain.Invalid},
		{"null number", replaced("block.number", "null"), chain.Invalid},
		{"odd number", replaced("block.number", `"0xg"`), chain.Invalid},
		{"no parent hash", replaced("block.parentHash", ""), chain.Invalid},
		{"parent hash is an object", replaced("block.parentHash", "{}"), chain.Invalid},
		{"hashes for transactions", edited(func(a *answers) { a.Block["transactions"] = []any{other} }), chain.Invalid},
		{"null transaction", edited(func(a *answers) { a.Block["transactions"].([]any)[0] = nil }), chain.Invalid},
		{"no transactions", replaced("block.transactions", ""), chain.Invalid},
		{"null transactions", replaced("block.transactions", "null"), chain.Invalid},
		{"transaction without a hash", replaced("tx.hash", ""), chain.Invalid},
		{"transactions are an object", replaced("block.transactions", "{}"), chain.Invalid},
		{"uncle hash is short", replaced("block.uncles", `["0x12"]`), chain.Invalid},
		{"withdrawal is text", replaced("block.withdrawals", `["0x12"]`), chain.Invalid},
		{"null receipts", recorded.Block{Block: edited(nil).Block, Receipts: json.RawMessage(`null`)}, chain.NotYet},
		{"receipts are an object", recorded.Block{Block: edited(nil).Block, Receipts: json.RawMessage(`{}`)}, chain.Invalid},
		{"null receipt", edited(func(a *answers) { a.Receipts[1] = nil }), chain.NotYet},
		{"receipt missing", edited(func(a *answers) { a.Receipts = a.Receipts[1:] }), chain.Invalid},
		{"no receipts", edited(func(a *answers) { a.Receipts = []object{} }), chain.Invalid},
		{"receipts in another order", edited(func(a *answers) {
			a.Receipts[0], a.Receipts[1] = a.Receipts[1], a.Receipts[0]
		}), chain.Invalid},
		{"receipt of another block", replaced("receipt.blockHash", `"`+other+`"`), chain.Race},
		{"receipt of another transaction", replaced("receipt.transactionHash", `"`+other+`"`), chain.Invalid},
		{"log of another block", replaced("log.blockHash", `"`+other+`"`), chain.Race},
		{"log of another transaction", replaced("log.transactionHash", `"`+other+`"`), chain.Invalid},
		{"null logs", replaced("receipt.logs", `null`), chain.Invalid},
		{"logs are an object", replaced("receipt.logs", `{}`), chain.Invalid},
		{"five topics", replaced("log.topics", `["`+strings.Join([]string{other, other, other, other, other}, `","`)+`"]`), chain.Invalid},
		{"uncle missing", edited(func(a *answers) { a.Uncles = nil }), chain.Invalid},
		{"null uncle", edited(func(a *answers) { a.Uncles[0] = json.RawMessage(`null`) }), chain.NotYet},
		{"another uncle", edited(func(a *answers) { a.Uncles[0] = edited(nil).Block }), chain.Race},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode(tt.raw)
			if err == nil {
				t.Fatal("no error")
			}
			if got := chain.ClassOf(err); got != tt.want {
				t.Errorf("%v is %s, want %s", err, got, tt.want)
			}
		})
	}
}

// After a race the receipts are asked for again: nothing of the first is left.
func TestReceiptsAfterRace(t *testing.T) {
	raw := edited(nil)
	b, err := chain.DecodeBlock(raw.Block)
	if err != nil {
		t.Fatal(err)
	}
	err = b.DecodeReceipts(edited(func(a *answers) {
		a.Receipts[0]["root"], a.Receipts[0]["gasUsed"], a.Receipts[0]["more"] = zeroHash, "0x1", 1
		a.Receipts[2]["blockHash"] = zeroHash
	}).Receipts)
	if chain.ClassOf(err) != chain.Race {
		t.Fatalf("%v, want a race", err)
	}
	if err := b.DecodeReceipts(raw.Receipts); err != nil {
		t.Fatal(err)
	}
	if err := b.DecodeUncles(raw.Uncles); err != nil {
		t.Fatal(err)
	}
	if v := chain.Verify(b, chain.AllChecks); !v.Verified() {
		t.Errorf("not verified: %s", v.Why)
	}
	if diff := diffAnswers(raw, encode(b)); diff != "" {
		t.Errorf("given again (-answered +given):\n%s", diff)
	}
}
