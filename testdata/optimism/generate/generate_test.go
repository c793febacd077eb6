package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
)

// TestFiles proves that the files in the tree are what the program makes, and
// that they still hold what other tests look for in them.
func TestFiles(t *testing.T) {
	n := map[string]int{}
	err := run("..", func(path string, recording []byte) error {
		if filepath.Base(path) == "optimism.jsonl.gz" {
			count(t, n, recording)
		}
		return check(path, recording)
	})
	if err != nil {
		t.Error(err)
	}
	for what, want := range map[string]int{
		"blocks": 45, "before Regolith": 10, "before Canyon": 10, "from Canyon on": 50,
		"system transactions": 5, "with mint": 20, "with mint past 64 bits": 5,
		"creations": 5, "failed creations": 5, "failed calls": 15, "past nonce 0": 30,
		"type 0x0": 20, "type 0x1": 15, "type 0x2": 15, "type 0x4": 3, "with a DA footprint": 10,
	} {
		if n[what] < want {
			t.Errorf("%s: %d, want at least %d", what, n[what], want)
		}
	}
}

func count(t *testing.T, n map[string]int, recording []byte) {
	t.Helper()
	type object map[string]any
	for i, line := range bytes.Split(bytes.TrimSpace(recording), []byte("\n")) {
		var b struct {
			Block    struct{ Transactions []object }
			Receipts []object
		}
		if err := json.Unmarshal(line, &b); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			n["blocks"]++
		}
		for i, tx := range b.Block.Transactions {
			countTransaction(n, tx, b.Receipts[i])
		}
	}
}

func countTransaction(n map[string]int, tx, receipt map[string]any) {
	is := func(what string, yes bool) {
		if yes {
			n[what]++
		}
	}
	if tx["type"] != "0x7e" {
		n["type "+tx["type"].(string)]++
		is("with a DA footprint", receipt["blobGasUsed"] != nil)
		return
	}
	mint, failed := tx["mint"].(string), receipt["status"] == "0x0"
	is("before Regolith", receipt["depositNonce"] == nil)
	is("before Canyon", receipt["depositNonce"] != nil && receipt["depositReceiptVersion"] == nil)
	is("from Canyon on", receipt["depositReceiptVersion"] != nil)
	is("system transactions", tx["isSystemTx"] == true)
	is("with mint", mint != "0x0")
	is("with mint past 64 bits", len(mint) > len("0x")+16)
	is("creations", tx["to"] == nil && !failed)
	is("failed creations", tx["to"] == nil && failed)
	is("failed calls", tx["to"] != nil && failed)
	is("past nonce 0", tx["nonce"] != "0x0" && tx["to"] != nil)
}
