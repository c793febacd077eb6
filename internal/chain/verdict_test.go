package chain_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/recorded"
)

const zeroHash = "0x0000000000000000000000000000000000000000000000000000000000000000"

// What is unknown excuses no mismatch.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name   string
		edit   func(a *answers)
		failed chain.Check
	}{
		{name: "honest"},
		{name: "unknown header field", edit: func(a *answers) { a.Block["l1BlockNumber"] = "0x1" }},
		{name: "header differs", edit: func(a *answers) { a.Block["stateRoot"] = zeroHash }, failed: chain.HeaderHash},
		{name: "header differs beside an unknown field", edit: func(a *answers) {
			a.Block["stateRoot"], a.Block["l1BlockNumber"] = zeroHash, "0x1"
		}, failed: chain.HeaderHash},
		{name: "header field can't be read", edit: func(a *answers) { a.Block["stateRoot"] = "0x12" },
			failed: chain.HeaderHash},
		{name: "header field is of another type", edit: func(a *answers) { a.Block["stateRoot"] = object{} },
			failed: chain.HeaderHash},
		{name: "header field is missing", edit: func(a *answers) { delete(a.Block, "stateRoot") }, failed: chain.HeaderHash},
		{name: "unknown transaction field", edit: func(a *answers) { a.tx(1)["sourceHash"] = zeroHash }},
		{name: "transaction differs", edit: func(a *answers) { a.tx(1)["value"] = "0x7" },
			failed: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders},
		{name: "transaction differs beside an unknown field", edit: func(a *answers) {
			a.tx(1)["value"], a.tx(1)["mint"] = "0x7", nil
		}, failed: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders},
		{name: "transaction differs beside an unknown field of another", edit: func(a *answers) {
			a.tx(1)["value"], a.tx(0)["mint"] = "0x7", nil
		}, failed: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders},
		{name: "transaction differs beside an unknown field of its access list", edit: func(a *answers) {
			a.tx(1)["value"] = "0x7"
			a.tx(1)["accessList"].([]any)[0].(object)["more"] = "0x1"
		}, failed: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders},
		{name: "sender differs", edit: func(a *answers) {
			a.tx(2)["from"] = "0x1111111111111111111111111111111111111111"
			a.Receipts[2]["from"] = "0x1111111111111111111111111111111111111111"
		}, failed: chain.Senders},
		{name: "unknown receipt field", edit: func(a *answers) { a.Receipts[0]["l1Fee"] = "0x1" }},
		{name: "log differs", edit: func(a *answers) { a.log(0, 1)["data"] = "0x" }, failed: chain.ReceiptsRoot},
		{name: "log differs beside an unknown field", edit: func(a *answers) {
			a.log(0, 1)["data"], a.log(0, 1)["logType"] = "0x", nil
		}, failed: chain.ReceiptsRoot},
		{name: "log index differs", edit: func(a *answers) { a.log(1, 0)["logIndex"] = "0x0" }, failed: chain.Contents},
		{name: "log index differs beside an unknown field", edit: func(a *answers) {
			a.log(1, 0)["logIndex"], a.log(1, 0)["logType"] = "0x0", nil
		}, failed: chain.Contents},
		{name: "gas used differs", edit: func(a *answers) { a.Receipts[1]["gasUsed"] = "0x1" }, failed: chain.Contents},
		{name: "gas used differs beside an unknown field", edit: func(a *answers) {
			a.Receipts[1]["gasUsed"], a.Receipts[1]["l1Fee"] = "0x1", "0x1"
		}, failed: chain.Contents},
		{name: "unknown type", edit: func(a *answers) {
			a.tx(0)["type"], a.Receipts[0]["type"] = "0x7d", "0x7d"
			delete(a.tx(0), "gasPrice")
			a.tx(0)["isSystemTx"], a.tx(0)["mint"] = true, []any{1.5, nil, "x"}
		}, failed: chain.TransactionsRoot | chain.ReceiptsRoot | chain.TransactionHashes | chain.Senders},
		{name: "unknown type, and another transaction differs", edit: func(a *answers) {
			a.tx(0)["type"], a.Receipts[0]["type"] = "0x7d", "0x7d"
			a.tx(1)["hash"], a.Receipts[1]["transactionHash"] = a.tx(2)["hash"], a.tx(2)["hash"]
			for j := range 2 {
				a.log(1, j)["transactionHash"] = a.tx(2)["hash"]
			}
		}, failed: chain.TransactionsRoot | chain.ReceiptsRoot | chain.Senders | chain.TransactionHashes},
		{name: "withdrawal differs", edit: func(a *answers) {
			a.Block["withdrawals"].([]any)[0].(object)["amount"] = "0x0"
		}, failed: chain.WithdrawalsRoot},
		{name: "withdrawal differs beside an unknown field", edit: func(a *answers) {
			w := a.Block["withdrawals"].([]any)[0].(object)
			w["amount"], w["reason"] = "0x0", "odd"
		}, failed: chain.WithdrawalsRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := edited(tt.edit)
			b := mustDecode(t, raw)
			if diff := diffAnswers(raw, encode(b)); diff != "" {
				t.Errorf("given again (-answered +given):\n%s", diff)
			}
			got := chain.Verify(b, chain.AllChecks)
			want := chain.Verdict{Passed: chain.AllChecks &^ tt.failed, Failed: tt.failed, Why: got.Why}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if (got.Why == "") != got.Verified() {
				t.Errorf("verified %v, because of %q", got.Verified(), got.Why)
			}
			if again := chain.Verify(b, chain.AllChecks); again != got || b.Verdict != got {
				t.Errorf("verified again: %v, block has %v, want %v", again, b.Verdict, got)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	passed := chain.Verdict{Passed: chain.AllChecks}
	unclear := chain.Verdict{NotComputable: chain.HeaderHash, Why: "unclear"}
	wrong := chain.Verdict{Failed: chain.Contents, NotComputable: chain.HeaderHash, Why: "wrong"}
	for _, tt := range []struct {
		level  chain.Level
		accept []chain.Verdict
		refuse []chain.Verdict
	}{
		{chain.Strict, []chain.Verdict{passed, {}}, []chain.Verdict{unclear, wrong}},
		{chain.Auto, []chain.Verdict{passed, {}, unclear}, []chain.Verdict{wrong}},
		{chain.Warn, []chain.Verdict{passed, {}, unclear, wrong}, nil},
		{chain.Off, []chain.Verdict{passed, {}, unclear, wrong}, nil},
	} {
		if l, err := chain.ParseLevel(string(tt.level)); l != tt.level || err != nil {
			t.Errorf("ParseLevel: %q, %v", l, err)
		}
		for _, v := range tt.accept {
			if err := tt.level.Accept(v); err != nil {
				t.Errorf("%s refuses %v: %v", tt.level, v, err)
			}
		}
		for _, v := range tt.refuse {
			if err := tt.level.Accept(v); chain.ClassOf(err) != chain.Invalid || err.Error() != v.Why {
				t.Errorf("%s of %v: %v", tt.level, v, err)
			}
		}
	}
	err := chain.Strict.Accept(chain.Verdict{Failed: chain.Contents, NotComputable: chain.HeaderHash})
	if want := "not verified: header hash, contents"; err == nil || err.Error() != want {
		t.Errorf("of a stored verdict: %v, want %s", err, want)
	}
	if _, err := chain.ParseLevel("Strict"); err == nil {
		t.Error("no error for an unknown level")
	}
}

// Only the checks that are asked for are made.
func TestVerifyOnly(t *testing.T) {
	b := editedBlock(t, func(a *answers) { a.Block["stateRoot"] = zeroHash })
	for check := chain.Check(1); check <= chain.AllChecks; check <<= 1 {
		v := chain.Verify(b, check)
		if made := v.Passed | v.NotComputable | v.Failed; made != check {
			t.Errorf("made [%s], want [%s]", made, check)
		}
	}
	if got, want := (chain.HeaderHash | chain.Contents).String(), "header hash, contents"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Honest nodes may add keys: what can be computed is, and what comes of it is the
// same.
func TestAddedKeysChangeNoVerdict(t *testing.T) {
	t.Parallel()
	added := func(raw json.RawMessage) json.RawMessage {
		return bytes.ReplaceAll(raw, []byte(`{"`), []byte(`{"unheard":"0x1","`))
	}
	for _, path := range recordings(t) {
		for i, raw := range readRecording(t, path).Blocks {
			if i > 100 && i%25 != 0 { // of the long one
				continue
			}
			more := recorded.Block{Number: raw.Number, Block: added(raw.Block), Receipts: added(raw.Receipts)}
			for _, uncle := range raw.Uncles {
				more.Uncles = append(more.Uncles, added(uncle))
			}
			want, got := chain.Verify(mustDecode(t, raw), chain.AllChecks), chain.Verify(mustDecode(t, more), chain.AllChecks)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: block %d (-as it is +with more keys):\n%s", path, raw.Number, diff)
			}
		}
	}
}
