package chain_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
)

// A chain's property excuses what is like it, from its block on, and nothing else.
func TestExemptions(t *testing.T) {
	const number = 3 // of the edited block
	header := func(about string, from uint64) chain.Exemption {
		return chain.Exemption{Check: chain.HeaderHash, About: about, From: from}
	}
	ofType := func(about string) chain.Exemptions {
		return chain.Exemptions{{Check: chain.TransactionsRoot, About: about}, {Check: chain.TransactionHashes, About: about}, {Check: chain.Senders, About: about}}
	}
	unknownType := func(a *answers) { a.tx(0)["type"], a.Receipts[0]["type"] = "0x7d", "0x7d" }
	for _, tt := range []struct {
		name                  string
		edit                  func(a *answers)
		exempt                chain.Exemptions
		notComputable, failed chain.Check
	}{
		{name: "header", edit: func(a *answers) { a.Block["stateRoot"] = zeroHash }, exempt: chain.Exemptions{header("", number)}, notComputable: chain.HeaderHash},
		{name: "nothing is wrong", exempt: chain.Exemptions{header("", 1)}},
		{name: "from a later block on", edit: func(a *answers) { a.Block["stateRoot"] = zeroHash }, exempt: chain.Exemptions{header("", number+1)}, failed: chain.HeaderHash},
		{name: "of another check", edit: func(a *answers) { a.Block["stateRoot"] = zeroHash }, exempt: chain.Exemptions{{Check: chain.UnclesHash}}, failed: chain.HeaderHash},
		{name: "lacks what all lack", edit: func(a *answers) { delete(a.Block, "stateRoot") },
			exempt: chain.Exemptions{header("without stateRoot", 1)}, notComputable: chain.HeaderHash},
		{name: "lacks what others have", edit: func(a *answers) { delete(a.Block, "stateRoot") }, exempt: chain.Exemptions{header("", 1)}, failed: chain.HeaderHash},
		{name: "lacks more than others", edit: func(a *answers) { delete(a.Block, "stateRoot"); delete(a.Block, "miner") },
			exempt: chain.Exemptions{header("without stateRoot", 1)}, failed: chain.HeaderHash},
		{name: "has what others lack", edit: func(a *answers) { a.Block["stateRoot"] = zeroHash }, exempt: chain.Exemptions{header("without stateRoot", 1)}, failed: chain.HeaderHash},
		{name: "null", edit: func(a *answers) { a.Block["stateRoot"] = nil }, exempt: chain.Exemptions{header("", 1)}, failed: chain.HeaderHash},
		{name: "can't be read", edit: func(a *answers) { a.Block["stateRoot"] = "0x12" }, exempt: chain.Exemptions{header("", 1)}, failed: chain.HeaderHash},
		{name: "can't be read though optional", edit: func(a *answers) { a.Block["baseFeePerGas"] = "much" }, exempt: chain.Exemptions{header("", 1)}, failed: chain.HeaderHash},
		{name: "unknown type", edit: unknownType, exempt: ofType("type 0x7d"),
			notComputable: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders, failed: chain.ReceiptsRoot},
		{name: "another unknown type", edit: unknownType, exempt: ofType("type 0x7c"),
			failed: chain.TransactionsRoot | chain.TransactionHashes | chain.Senders | chain.ReceiptsRoot},
		{name: "a known type beside an unknown one", edit: func(a *answers) { unknownType(a); a.tx(1)["value"] = "0x7" }, exempt: ofType("type 0x7d"),
			notComputable: chain.TransactionsRoot, failed: chain.TransactionHashes | chain.Senders | chain.ReceiptsRoot},
		{name: "contents", edit: func(a *answers) { a.log(1, 0)["logIndex"] = "0x0" }, exempt: chain.Exemptions{{Check: chain.Contents, About: "logIndex"}},
			notComputable: chain.Contents},
		{name: "other contents", edit: func(a *answers) { a.Receipts[1]["gasUsed"] = "0x1" }, exempt: chain.Exemptions{{Check: chain.Contents, About: "logIndex"}},
			failed: chain.Contents},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := editedBlock(t, tt.edit)
			got := tt.exempt.Verify(b, chain.AllChecks)
			want := chain.Verdict{Passed: chain.AllChecks &^ (tt.failed | tt.notComputable), NotComputable: tt.notComputable, Failed: tt.failed, Why: got.Why}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if (got.Why == "") != got.Verified() || got != b.Verdict {
				t.Errorf("%v, because of %q, %v", got.Verified(), got.Why, b.Verdict)
			}
		})
	}
}

// Genesis often is made by other rules, so that it never proves anything: it
// follows what the others show.
func TestGenesisIsExempt(t *testing.T) {
	e := chain.Exemptions{{Check: chain.HeaderHash, From: 7}}
	for number, want := range map[uint64]bool{0: true, 1: false, 6: false, 7: true, 8: true} {
		if got := e.Cover(number, chain.Finding{Check: chain.HeaderHash}); got != want {
			t.Errorf("block %d: %v", number, got)
		}
	}
	lower := e.With(chain.Exemption{Check: chain.HeaderHash, From: 3}).With(chain.Exemption{Check: chain.UnclesHash, From: 1})
	if diff := cmp.Diff(chain.Exemptions{{Check: chain.HeaderHash, From: 3}, {Check: chain.UnclesHash, From: 1}}, lower); diff != "" || e[0].From != 7 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A property is decided by three blocks that have something to compute, fail
// alike, and of which none passes since the first.
func TestProbes(t *testing.T) {
	fails := []chain.Finding{{Check: chain.HeaderHash}}
	type probe struct {
		number uint64
		found  []chain.Finding
		empty  bool // has no transactions
		txType uint64
	}
	bad := func(n uint64) probe { return probe{number: n, found: fails} }
	good := func(n uint64) probe { return probe{number: n} }
	without := func(n uint64) probe {
		return probe{number: n, found: []chain.Finding{{Check: chain.HeaderHash, About: "without miner"}}}
	}
	root := func(n uint64, about string, empty bool) probe {
		p := probe{number: n, found: []chain.Finding{{Check: chain.TransactionsRoot, About: about}}, empty: empty}
		_, _ = fmt.Sscanf(about, "type 0x%x", &p.txType) // 0 if it is about all
		return p
	}
	for _, tt := range []struct {
		name   string
		probes []probe
		want   []chain.Exemption
	}{
		{"three in a row", []probe{bad(4), bad(5), bad(6)}, []chain.Exemption{{Check: chain.HeaderHash, From: 4}}},
		{"three with holes, backwards", []probe{bad(9), bad(7), bad(2)}, []chain.Exemption{{Check: chain.HeaderHash, From: 2}}},
		{"two", []probe{bad(4), bad(5)}, nil},
		{"one three times", []probe{bad(4), bad(4), bad(4)}, nil},
		{"genesis does not count", []probe{bad(0), bad(1), bad(2)}, nil},
		{"one passes between", []probe{bad(4), bad(5), good(6), bad(7), bad(8)}, nil},
		{"one passes between, told late", []probe{bad(4), bad(6), good(5), bad(7)}, nil},
		{"one passes before", []probe{bad(4), good(3), bad(5), bad(6)}, []chain.Exemption{{Check: chain.HeaderHash, From: 4}}},
		{"what has passed since is not asked again", []probe{bad(4), good(6), bad(4), bad(5), bad(6)}, nil},
		{"one that lacks a key is not alike", []probe{bad(4), without(5), bad(6), without(7), bad(8), without(9)}, nil},
		{"all lack a key", []probe{without(5), without(6), without(7)}, []chain.Exemption{{Check: chain.HeaderHash, About: "without miner", From: 5}}},
		{"empty blocks tell nothing", []probe{root(1, "", false), {number: 2, empty: true}, root(3, "", false), {number: 4, empty: true}, root(5, "", false)},
			[]chain.Exemption{{Check: chain.TransactionsRoot, From: 1}}},
		{"empty blocks don't count", []probe{root(1, "", true), root(2, "", true), root(3, "", true)}, nil},
		{"blocks without the type tell nothing", []probe{root(1, "type 0x2", false), root(2, "type 0x7d", false), root(3, "type 0x2", false), root(4, "type 0x2", false)},
			[]chain.Exemption{{Check: chain.TransactionsRoot, About: "type 0x2", From: 1}}},
		{"spoiled ones don't count", []probe{{number: 1, found: []chain.Finding{{Check: chain.HeaderHash, Spoiled: true}}}, bad(2), bad(3)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var probes chain.Probes
			var got []chain.Exemption
			for _, p := range tt.probes {
				b := &chain.Block{Header: chain.Header{Number: p.number}}
				if !p.empty {
					b.Transactions = []chain.Transaction{{Type: p.txType}}
				}
				got = append(got, probes.Add(b, chain.AllChecks, p.found)...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decided (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnownClient(t *testing.T) {
	for client, want := range map[string]bool{
		"Geth/v1.17.10-stable/linux-amd64/go1.26.8": true, "Geth/v1.101702.3-stable/linux-amd64/go1.26.8": true, "anvil/v1.7.1": true,
		"HardhatNetwork/2.29.1/@nomicfoundation/edr/0.3.8": true, "Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js": true,
		"EthereumJS TestRPC/v2.13.2/ethereum-js": true, "besu/v24.1.0/linux-x86_64/openjdk-java-17": true, "erigon/2.60.0/linux-amd64/go1.21": true,
		"Nethermind/v1.25.4/linux-x64/dotnet8.0.1": true, "reth/v1.0.0-abc/x86_64-unknown-linux-gnu": true,
		"Geth/v1.10.3-stable(quorum-v22.7.4)/linux-amd64/go1.18": false, "GoQuorum/v1": false, "bor/v1.2.3": false, "Kaia/v1.0": false, "": false,
	} {
		if got := chain.KnownClient(client); got != want {
			t.Errorf("%s: %v", client, got)
		}
	}
}

// What fails is found once for all that is alike.
func TestFindings(t *testing.T) {
	b := editedBlock(t, func(a *answers) {
		for i := range 3 {
			a.tx(i)["value"] = "0x7"
		}
		a.tx(1)["type"], a.Receipts[1]["type"] = a.tx(2)["type"], a.tx(2)["type"]
		a.tx(2)["nonce"] = nil
		delete(a.tx(0), "gas")
	})
	var got []string
	for _, f := range chain.Findings(b, chain.TransactionsRoot|chain.TransactionHashes) {
		got = append(got, fmt.Sprintf("%s: %s, spoiled %v", f.Check, f.About, f.Spoiled))
	}
	want := []string{
		"transactions root: without gas, spoiled true", "transaction hashes: type 0x0, without gas, spoiled false", "transaction hashes: type 0x2, spoiled true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
