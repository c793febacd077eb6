package chain_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gapless/internal/chain"
)

// The decoder reads what real nodes answer as the one by encoding/json does.
func TestAsReference(t *testing.T) {
	for _, path := range recordings(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			for _, raw := range readRecording(t, path).Blocks {
				chain.CompareWithReference(t, raw.Block, raw.Receipts)
			}
		})
	}
}

// odd are JSON values, and texts that are none.
var odd = []string{
	``, `null`, `true`, `7`, `-1`, `0.5e3`, `[]`, `[null]`, `{}`, `{"a":1}`, `[[[1]]]`, `"`, `[`, `{"a"`, `[1,]`, `01`, `"\x"`, "\"\n\"", `"\ud800"`,
	`"0x"`, `"0x1"`, `"0X1F"`, `"0x00ff"`, `"0xg"`, `"0x1\u0030"`, `"\u0030x1f"`, `"\"0x1"`, `"x"`, `"0"`, `"1x00"`, "\"0x\xff\xff\"", `"0x1,"`, ` "0x1" `,
	`"0xffffffffffffffff"`, `"0x10000000000000000"`, `18446744073709551616`, `"0x` + strings.Repeat("f", 64) + `"`, `"0x1` + strings.Repeat("0", 64) + `"`,
	`"0x` + strings.Repeat("aB", 20) + `"`, `"0x` + strings.Repeat("0", 512) + `"`, `"0x` + strings.Repeat("0", 31) + `g` + strings.Repeat("0", 32) + `"`,
	`["0x` + strings.Repeat("01", 32) + `"]`, `[{"address":"0x12"}]`, `[{"storageKeys":null,"address":null,"address":7}]`,
}

// Whatever is put in the place of a value, or beside it under the same key.
func TestOddAsReference(t *testing.T) {
	t.Parallel()
	for _, key := range slices.Concat(quantities, repeated, []string{
		"block.hash", "block.number", "block.stateRoot", "block.logsBloom", "block.extraData", "block.transactions", "block.uncles", "block.withdrawals", "block.odd",
		"tx.hash", "tx.to", "tx.input", "tx.accessList", "tx.blobVersionedHashes", "tx.authorizationList", "tx.blockHash", "tx.odd",
		"receipt.transactionHash", "receipt.to", "receipt.contractAddress", "receipt.root", "receipt.logsBloom", "receipt.logs", "receipt.odd",
		"log.address", "log.topics", "log.data", "log.blockHash", "log.transactionHash", "log.odd", "withdrawal.address", "withdrawal.odd", "authorization.r",
	}) {
		for _, value := range odd {
			if !json.Valid([]byte(value)) {
				continue
			}
			raw := replaced(key, value)
			chain.CompareWithReference(t, raw.Block, raw.Receipts)
			chain.CompareWithReference(t, twice(raw.Block, key, value), twice(raw.Receipts, key, value))
		}
	}
}

// twice puts a member before and after the others of each object.
func twice(raw []byte, key, value string) []byte {
	_, key, _ = strings.Cut(key, ".")
	member := `"` + key + `":` + value
	text := strings.ReplaceAll(string(raw), "{", "{ "+member+",")
	return []byte(strings.ReplaceAll(strings.ReplaceAll(text, "}", ","+strings.ReplaceAll(member, "o", `\u006f`)+"}"), ",,", ","))
}

func TestValuesAsReference(t *testing.T) {
	for _, value := range odd {
		chain.CompareValue(t, []byte(value))
	}
}

func FuzzDecodeAsReference(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, block, receipts, _ []byte) { chain.CompareWithReference(t, block, receipts) })
}

func FuzzValue(f *testing.F) {
	for _, value := range odd {
		f.Add([]byte(value))
	}
	f.Fuzz(chain.CompareValue)
}
