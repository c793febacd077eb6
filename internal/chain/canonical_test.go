package chain_test

import (
	"bytes"
	"strings"
	"testing"
)

// Keys that are not known are a node's own where the hash over their object
// comes out without them. Where it does not, they may be of the chain.
func TestCanonicalUnknownKeys(t *testing.T) {
	t.Parallel()
	uncle := func(a *answers, key, value string) {
		keys := parse(a.Uncles[0]).(object)
		keys[key] = value
		a.Uncles[0] = marshal(keys)
	}
	for _, tt := range []struct {
		name   string
		add    func(a *answers, value string)
		spoils func(a *answers) // the hash over it does not come out any more
	}{
		{"block", func(a *answers, v string) { a.Block["new"] = v }, func(a *answers) { a.Block["extraData"] = "0x07" }},
		{"transaction", func(a *answers, v string) { a.tx(1)["new"] = v }, func(a *answers) { a.tx(1)["value"] = "0x777" }},
		{"transaction of unknown type", nil, nil},
		{"receipt", func(a *answers, v string) { a.Receipts[1]["new"] = v }, func(a *answers) { a.Receipts[0]["cumulativeGasUsed"] = "0x1" }},
		{"log", func(a *answers, v string) { a.log(1, 1)["new"] = v }, func(a *answers) { a.Receipts[0]["cumulativeGasUsed"] = "0x1" }},
		{"withdrawal", func(a *answers, v string) { a.Block["withdrawals"].([]any)[0].(object)["new"] = v },
			func(a *answers) { a.Block["withdrawals"].([]any)[0].(object)["amount"] = "0x9" }},
		{"uncle", func(a *answers, v string) { uncle(a, "new", v) }, func(a *answers) { uncle(a, "extraData", "0x07") }},
	} {
		if tt.add == nil {
			tt.add = func(a *answers, v string) { a.tx(1)["new"] = v }
			tt.spoils = func(a *answers) { a.tx(1)["type"] = "0x9" }
		}
		form := func(value string, spoilt bool) []byte {
			return editedBlock(t, func(a *answers) {
				if value != "" {
					tt.add(a, value)
				}
				if spoilt {
					tt.spoils(a)
				}
			}).AppendCanonical(nil)
		}
		if !bytes.Equal(form("", false), form("0x1", false)) {
			t.Errorf("%s: a key of the node's own is in the canonical form", tt.name)
		}
		if bytes.Equal(form("0x1", true), form("0x2", true)) {
			t.Errorf("%s: the canonical form does not tell values of an unknown key apart", tt.name)
		}
	}
}

// RLP does not tell a failed transaction from one without a status.
func TestCanonicalStatus(t *testing.T) {
	t.Parallel()
	form := func(edit func(receipt object)) string {
		return string(editedBlock(t, func(a *answers) { edit(a.Receipts[0]) }).AppendCanonical(nil))
	}
	forms := []string{
		form(func(r object) { r["status"] = "0x0" }),
		form(func(r object) { delete(r, "status") }),
		form(func(r object) { r["status"] = "0x1" }),
		form(func(r object) { r["root"] = "0x" + strings.Repeat("07", 32) }),
		form(func(r object) { r["root"] = "0x" + strings.Repeat("07", 32); r["status"] = "0x0" }),
	}
	for i := range forms {
		for j := range i {
			if forms[i] == forms[j] {
				t.Errorf("forms %d and %d are the same", j, i)
			}
		}
	}
}
