package chain_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

// Every block of the OP Stack verifies, and nothing in it is unknown. What has
// no column is read from Extra again.
func TestRollup(t *testing.T) {
	t.Parallel()
	for _, path := range []string{optimism, testdata + "/optimism/optimism-devnet.jsonl.gz"} {
		for _, raw := range readRecording(t, path).Blocks {
			b := mustDecode(t, raw)
			if v := chain.Verify(b, chain.AllChecks); v.Passed != chain.AllChecks || !v.Verified() {
				t.Errorf("%s: block %d: failed %s, not computable %s: %s", path, b.Number, v.Failed, v.NotComputable, v.Why)
			}
			for what, o := range objects(b) {
				if o.Shape != 0 || o.Unknown() {
					t.Errorf("%s: block %d: %s: shape %#x, unknown %v, extra %s", path, b.Number, what, o.Shape, o.Unknown(), o.Extra)
				}
			}
			restored := mustDecode(t, raw)
			chain.Verify(restored, chain.AllChecks)
			for i := range restored.Transactions {
				tx := &restored.Transactions[i]
				tx.SourceHash, tx.Mint, tx.IsSystemTx, tx.DepositReceiptVersion = nil, nil, false, nil
				tx.Receipt.DepositNonce, tx.Receipt.DepositReceiptVersion = nil, nil
			}
			if err := restored.Restore(); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(b, restored) {
				t.Errorf("%s: block %d restored differs", path, b.Number)
			}
		}
	}
}

// editedRollup gives the answers for a block of the OP Stack after a change.
func editedRollup(t *testing.T, number int, edit func(a *answers)) recorded.Block {
	t.Helper()
	raw := readRecording(t, optimism).Blocks[number]
	a := new(answers)
	if err := json.Unmarshal(raw.Block, &a.Block); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw.Receipts, &a.Receipts); err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(a)
	}
	return recorded.Block{Number: raw.Number, Block: marshal(a.Block), Receipts: marshal(a.Receipts)}
}

// What is kept in Extra is known, and computed with the rest.
func TestRollupVerdict(t *testing.T) {
	const (
		bedrock, regolith, jovian = 4, 10, 43 // blocks

		transactions = chain.TransactionsRoot | chain.TransactionHashes
	)
	last := func(a *answers) int { return len(a.Receipts) - 1 } // a signed transaction
	for _, tt := range []struct {
		name    string
		block   int
		edit    func(a *answers)
		failed  chain.Check
		unknown bool
	}{
		{name: "honest", block: jovian},
		{name: "no mint", block: jovian, edit: func(a *answers) { delete(a.tx(0), "mint") }},
		{name: "null mint", block: jovian, edit: func(a *answers) { a.tx(0)["mint"] = nil }},
		{name: "false is told", block: jovian, edit: func(a *answers) { a.tx(0)["isSystemTx"] = false }},
		{name: "parity as op-reth tells it", block: jovian, edit: func(a *answers) { a.tx(0)["yParity"] = "0x0" }},
		{name: "no signature", block: jovian, edit: func(a *answers) {
			delete(a.tx(0), "v")
			delete(a.tx(0), "r")
			delete(a.tx(0), "s")
		}},
		{name: "version only of the receipt", block: jovian, edit: func(a *answers) { delete(a.tx(0), "depositReceiptVersion") }},
		{name: "no deposit nonce before Canyon", block: regolith, edit: func(a *answers) { delete(a.Receipts[0], "depositNonce") }},
		{name: "another nonce before Regolith", block: bedrock, edit: func(a *answers) { a.tx(0)["nonce"] = "0xfffffffffffffffd" }},
		{name: "another fee", block: jovian, edit: func(a *answers) { a.Receipts[last(a)]["l1Fee"] = "none" }},
		{name: "unknown fields", block: jovian, edit: func(a *answers) { a.tx(0)["a"], a.Receipts[0]["b"] = 1, 1 }, unknown: true},
		{name: "keys of deposits elsewhere", block: jovian, edit: func(a *answers) {
			a.tx(last(a))["sourceHash"], a.tx(last(a))["mint"] = zeroHash, nil
			a.Receipts[last(a)]["depositNonce"] = "0x1"
		}, unknown: true},
		{name: "mint differs", block: jovian, edit: func(a *answers) { a.tx(1)["mint"] = "0x5" }, failed: transactions},
		{name: "mint can't be read", block: jovian, edit: func(a *answers) { a.tx(1)["mint"] = "much" }, failed: transactions},
		{name: "mint differs beside an unknown field", block: jovian, edit: func(a *answers) {
			a.tx(1)["mint"], a.tx(1)["more"] = "0x5", 1
		}, failed: transactions, unknown: true},
		{name: "system transaction is text", block: bedrock, edit: func(a *answers) { a.tx(0)["isSystemTx"] = "true" },
			failed: transactions},
		{name: "no source hash", block: jovian, edit: func(a *answers) { delete(a.tx(1), "sourceHash") }, failed: transactions | chain.Contents},
		{name: "sender differs", block: jovian, edit: func(a *answers) {
			a.tx(1)["from"], a.Receipts[1]["from"] = a.tx(0)["from"], a.tx(0)["from"]
		}, failed: transactions},
		{name: "signature", block: jovian, edit: func(a *answers) { a.tx(0)["r"] = "0x1" }, failed: chain.Contents},
		{name: "nonce differs", block: regolith, edit: func(a *answers) { a.tx(0)["nonce"] = "0x0" }, failed: chain.Contents},
		{name: "deposit nonce before Canyon differs", block: regolith, edit: func(a *answers) { a.Receipts[0]["depositNonce"] = "0x0" }, failed: chain.Contents},
		{name: "version before Canyon", block: regolith, edit: func(a *answers) { a.Receipts[0]["depositReceiptVersion"] = "0x1" }, failed: chain.ReceiptsRoot},
		{name: "no version", block: jovian, edit: func(a *answers) { delete(a.Receipts[0], "depositReceiptVersion") },
			failed: chain.ReceiptsRoot | chain.Contents},
		{name: "gas price", block: jovian, edit: func(a *answers) { a.Receipts[0]["effectiveGasPrice"] = "0x1" }, failed: chain.Contents},
		{name: "status differs beside fees", block: jovian, edit: func(a *answers) { a.Receipts[last(a)]["status"] = "0x2" }, failed: chain.ReceiptsRoot},
		{name: "footprint differs", block: jovian, edit: func(a *answers) { a.Receipts[last(a)]["blobGasUsed"] = "0x1" }, failed: chain.Contents},
		{name: "footprint is not told", block: jovian, edit: func(a *answers) { delete(a.Receipts[last(a)], "blobGasUsed") }},
		{name: "footprint of a deposit", block: jovian, edit: func(a *answers) { a.Receipts[0]["blobGasUsed"] = "0x0" }},
		{name: "withdrawals", block: jovian, edit: func(a *answers) {
			a.Block["withdrawals"] = []any{object{"index": "0x0", "validatorIndex": "0x0", "address": a.tx(0)["from"], "amount": "0x1"}}
		}, failed: chain.WithdrawalsRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := editedRollup(t, tt.block, tt.edit)
			b := mustDecode(t, raw)
			if diff := diffAnswers(raw, encode(b)); diff != "" {
				t.Errorf("given again (-answered +given):\n%s", diff)
			}
			got := chain.Verify(b, chain.AllChecks)
			want := chain.Verdict{Passed: chain.AllChecks &^ tt.failed, Failed: tt.failed, Why: got.Why}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			unknown := false
			for _, o := range objects(b) {
				unknown = unknown || o.Unknown()
			}
			if unknown != tt.unknown {
				t.Errorf("unknown %v, want %v", unknown, tt.unknown)
			}
			if err := b.Restore(); err != nil {
				t.Fatal(err)
			}
			if restored := chain.Verify(b, chain.AllChecks); restored != got {
				t.Errorf("verdict %+v, restored %+v", got, restored)
			}
		})
	}
}

// The attributes deposit of OP Mainnet's block 127446283, as a node there
// answered: no code of ours or op-geth's made it.
func TestMainnetDeposit(t *testing.T) {
	const deposit = `{"blockHash":"0x9d86bb313ebeedf4f9f82bf8a19b426be656a365648a7c089b618771311db9f9","blockNumber":"0x798ad0b",
		"hash":"0xbc9329afac05556497441e2b3ee4c5d4da7ca0b2a4c212c212d0739e94a24df9","transactionIndex":"0x0","type":"0x7e","nonce":"0x152ea95",
		"input":"0x440a5e200000146b000f79c50000000000000003000000006725333f000000000141e287000000000000000000000000000000000000000000000000000000012439ee7e0000000000000000000000000000000000000000000000000000000063f363e973e96e7145ff001c81b9562cba7b6104eeb12a2bc4ab9f07c27d45cd81a986620000000000000000000000006887246668a3b87f54deb3b94ba47a6f63f32985",
		"mint":"0x0","sourceHash":"0x04e9a69416471ead93b02f0c279ab11ca0b635db5c1726a56faf22623bafde52","r":"0x0","s":"0x0","v":"0x0","yParity":"0x0",
		"gas":"0xf4240","from":"0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001","to":"0x4200000000000000000000000000000000000015",
		"depositReceiptVersion":"0x1","value":"0x0","gasPrice":"0x0"}`
	b, err := chain.DecodeBlock(fmt.Appendf(nil, `{"hash":"0x9d86bb313ebeedf4f9f82bf8a19b426be656a365648a7c089b618771311db9f9",
		"parentHash":"0x1111111111111111111111111111111111111111111111111111111111111111","number":"0x798ad0b","transactions":[%s],"uncles":[]}`, deposit))
	if err != nil {
		t.Fatal(err)
	}
	checks := chain.TransactionHashes | chain.Senders
	if v := chain.Verify(b, checks); v.Passed != checks {
		t.Errorf("not verified: %s", v.Why)
	}
}
