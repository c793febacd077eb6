package pages

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
)

// abiFile writes an ABI into a folder of its own.
func abiFile(t testing.TB, content string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Contract.json"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// word is a number as a word of the ABI.
func word(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 24), n)
}

// Lists whose elements all point to one place say far more than their data has.
func TestCallOfLoopedOffsets(t *testing.T) {
	known := NewSignatures()
	if _, err := known.ReadABIs(abiFile(t, `[{"type":"function","name":"f","inputs":[{"name":"a","type":"uint256[][][][]"}]}]`)); err != nil {
		t.Fatal(err)
	}
	const wide = 100
	input := selector(known, "f")
	input = append(input, word(32)...)
	for range 4 { // each list has so many elements that are all the next list
		input = append(input, word(wide)...)
		for range wide {
			input = append(input, word(wide*32)...)
		}
	}
	allocated := testing.AllocsPerRun(1, func() {
		c := known.call(input)
		if c == nil || len(c.Arguments) != 1 || !strings.HasPrefix(c.Arguments[0].Value, "[[[[") {
			t.Errorf("%+v", c)
		}
	})
	if allocated > 100_000 {
		t.Errorf("%.0f allocations", allocated)
	}
}

// selector finds that of a known function by its name.
func selector(known *Signatures, name string) []byte {
	for id, methods := range known.methods {
		if methods[0].name == name {
			return id[:]
		}
	}
	return nil
}

// A type that no machine can hold, or that there is not, is passed over and told
// of; the rest of the contract is read.
func TestABIOfBadType(t *testing.T) {
	for _, tt := range []struct{ inputs, err string }{
		{`{"type":"uint256[9223372036854775807]"}`, "an array of 9223372036854775807: a type is too large"},
		{`{"type":"uint256[99999999999999999999]"}`, "an array of 99999999999999999999: a type is too large"},
		{`{"type":"tuple","components":[{"name":"a","type":"uint256[4000][4000][4000]"}]}`, "too large"},
		{`{"type":"tuple[65537]"}`, "too large"},
		{`{"type":"uint8[0]"}`, "too large"},
		{`{"type":"uint8[-1]"}`, "too large"},
		{`{"type":"uint8` + strings.Repeat("[]", 30) + `"}`, "nested too deep"},
		{`{"type":"Library.Kind"}`, `"Library.Kind" is no type`},
		{`{"type":"uint7"}`, "no type"},
		{`{"type":"bytes33"}`, "no type"},
		{`{"type":"uint08"}`, "no type"},
		{`{"type":"uint8]["}`, "no type"},
		{`{"type":""}`, "no type"},
		{`{"type":7}`, "cannot unmarshal"},
	} {
		known := NewSignatures()
		dir := abiFile(t, `[{"type":"function","name":"bad","inputs":[`+tt.inputs+`]},{"type":"function","name":"good","inputs":[]}]`)
		found, err := known.ReadABIs(dir)
		if err != nil || found.Contracts != 1 || len(found.Skipped) != 1 || !strings.Contains(found.Skipped[0].Error(), tt.err) {
			t.Errorf("%s: %+v, %v", tt.inputs, found, err)
		}
		if selector(known, "good") == nil || selector(known, "bad") != nil {
			t.Errorf("%s: is not read as it should be", tt.inputs)
		}
	}
}

// A folder has files of many kinds.
func TestReadABIs(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		contracts     int
		err           string
	}{
		{"bare", `[{"name":"f"}]`, 1, ""},
		{"artifact", `{"abi":[{"type":"event","name":"E","inputs":[]}],"bytecode":"0x"}`, 1, ""},
		{"no functions", `{"abi":[]}`, 1, ""},
		{"build information", `{"input":{},"output":{}}`, 0, "there is no contract's ABI in it"},
		{"no JSON", `abi`, 0, "there is no contract's ABI in it"},
		{"too long", "[" + strings.Repeat(" ", mostABI) + "]", 0, "is longer than 16,777,216 bytes"},
	} {
		found, err := NewSignatures().ReadABIs(abiFile(t, tt.content))
		if found.Contracts != tt.contracts || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %+v, %v", tt.name, found, err)
		}
	}
	if _, err := NewSignatures().ReadABIs(filepath.Join(t.TempDir(), "no")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// What is written of foreign values is plain, and not too long.
func TestCall(t *testing.T) {
	known := NewSignatures()
	if _, err := known.ReadABIs(abiFile(t, `[
		{"name":"texts","inputs":[{"name":"a","type":"string"},{"name":"b","type":"bytes"}]},
		{"name":"orders","inputs":[{"name":"all","type":"tuple[]","components":[{"name":"id","type":"uint8"},{"name":"","type":"address"},{"name":"ok","type":"bool"}]}]},
		{"name":"numbers","inputs":[{"name":"n","type":"int16[60]"}]}]`)); err != nil {
		t.Fatal(err)
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	padded := func(text string) []byte {
		return join(word(uint64(len(text))), []byte(text), make([]byte, (32-len(text)%32)%32))
	}
	bidi := "<script>\u202e\x00\xff"
	long := strings.Repeat("é", 5000)
	orders := selector(known, "orders")
	for _, tt := range []struct {
		name  string
		input []byte
		want  []string // nil if it does not fit
	}{
		{"hostile text", join(selector(known, "texts"), word(64), word(128), padded(bidi), padded("ab")),
			[]string{`<script>\u{202e}\u{0}\xff`, "0x6162"}},
		{"long text", join(selector(known, "texts"), word(64), word(64), padded(long)),
			[]string{strings.Repeat("é", 500) + "…", "0x" + strings.Repeat("c3a9", 125) + "… 9,750 bytes more"}},
		{"tuples", join(orders, word(32), word(2), word(7), word(0xfe), word(1), word(8), word(0xff), word(0)),
			[]string{"[{id: 7, 0x00000000000000000000000000000000000000fe, ok: true}, {id: 8, 0x00000000000000000000000000000000000000ff, ok: false}]"}},
		{"more than there is", join(orders, word(32), word(3), word(7), word(0xfe), word(1), word(8), word(0xff), word(0)), nil},
		{"a number too large", join(orders, word(32), word(1), word(256), word(0xfe), word(1)), nil},
		{"neither true nor false", join(orders, word(32), word(1), word(7), word(0xfe), word(2)), nil},
		{"an offset past the end", join(orders, word(1<<40), word(0)), nil},
		{"an offset that overflows", join(orders, make([]byte, 24), []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), word(0)), nil},
		{"more elements than are shown", join(selector(known, "numbers"), []byte(strings.Repeat("\xff", 60*32))),
			[]string{"[" + strings.Repeat("-1, ", 50) + "… 10 more]"}},
		{"nothing", orders, nil},
		{"less than a selector", orders[:3], nil},
	} {
		var got []string
		if c := known.call(tt.input); c != nil {
			for _, a := range c.Arguments {
				got = append(got, a.Value)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// Of events with one signature the one is taken that fits the log.
func TestEvent(t *testing.T) {
	known := NewSignatures()
	var transfer common.Hash
	for id, events := range known.events {
		if events[0].name == "Transfer" {
			transfer = id
		}
	}
	account := common.BytesToHash([]byte{0xaa})
	dirty := common.Hash{0: 1, 31: 0xaa}
	for _, tt := range []struct {
		name string
		log  chain.Log
		want string // the last argument's name; empty if none fits
	}{
		{"ERC-20", chain.Log{Topics: []common.Hash{transfer, account, account}, Data: word(7)}, "value 7"},
		{"ERC-721", chain.Log{Topics: []common.Hash{transfer, account, account, common.BytesToHash([]byte{7})}}, "tokenId 7"},
		{"no address", chain.Log{Topics: []common.Hash{transfer, account, dirty}, Data: word(7)}, ""},
		{"too few topics", chain.Log{Topics: []common.Hash{transfer, account}, Data: word(7)}, ""},
		{"too many topics", chain.Log{Topics: []common.Hash{transfer, account, account, account, account}}, ""},
		{"too little data", chain.Log{Topics: []common.Hash{transfer, account, account}, Data: []byte{7}}, ""},
		{"no topic", chain.Log{}, ""},
	} {
		got := ""
		if e := known.event(&tt.log); e != nil {
			a := e.Arguments[len(e.Arguments)-1]
			got = a.Name + " " + a.Value
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
