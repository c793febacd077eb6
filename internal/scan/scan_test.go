package scan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/scan"
)

// texts are valid and not, and odd in every way that the grammar has.
var texts = []string{
	`{}`, `[]`, ` { } `, "\t[\r\n] ", `null`, `true`, `7`, `"text"`, ``, ` `, `{`, `[`, `}`, `]`, `{}}`, `[]]`, `{}[]`, `[] 1`,
	`{"a":1}`, `{"a" : 1 , "b":[2, {"c":null}]}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{a:1}`, `{1:2}`, `{"a":1,"a":2}`, `{"":0}`,
	`[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[[[]]]`, `[{}]`, `[[}]`, `{"a":[}`,
	`[0]`, `[-0]`, `[01]`, `[-]`, `[1.]`, `[.1]`, `[1.5e+10]`, `[1e]`, `[1E-]`, `[0e0]`, `[+1]`, `[1.0.0]`, `[0x1]`, `[-1.25E-3]`, `[1e5`,
	`[true,false,null]`, `[tru]`, `[truee]`, `[nul`, `[True]`,
	`["\"\\\/\b\f\n\r\t\u00e9"]`, `["\x"]`, `["\u12"]`, `["\u12g4"]`, `["`, `["\`, `["\u`, "[\"\x00\"]", "[\"a\nb\"]", "[\"\x7f\x80\xff\"]", "[\"1234567\x1f\"]",
	`["12345678"]`, `["1234567\\"]`, `["1234567\""]`, `["12345678\u0030"]`, `["\ud800"]`,
	`{"\u0061":1}`, `{"é":1}`, "{\"\xff\":1,\"\xfe\":2}", "{\"\x80\":1,\"\x9f\":2}", `{"\ud800":1}`, `{"a\"b":1}`, `{"\q":1}`, "{\"a\nb\":1}", "{\"\xffa",
	strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001),
}

var (
	errNoObject = errors.New("not an object")
	errNoArray  = errors.New("not an array")
)

// members walks an object as encoding/json reads one into a map.
func members(text []byte) (map[string]json.RawMessage, error) {
	parsed := new(scan.Text)
	if err := parsed.Parse(text); err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	m, ok := parsed.Object(parsed.Root())
	for m.Next() {
		walk(parsed, m.Value)
		all[string(m.Key())] = parsed.Raw(m.Value)
	}
	if !ok {
		return nil, errNoObject
	}
	return all, nil
}

func items(text []byte) ([]json.RawMessage, error) {
	parsed := new(scan.Text)
	if err := parsed.Parse(text); err != nil {
		return nil, err
	}
	all := []json.RawMessage{}
	i, ok := parsed.Array(parsed.Root())
	for i.Next() {
		walk(parsed, i.Item)
		all = append(all, parsed.Raw(i.Item))
	}
	if !ok {
		return nil, errNoArray
	}
	return all, nil
}

// walk walks all that is in a value, and expects valid JSON.
func walk(text *scan.Text, v scan.Value) {
	raw := text.Raw(v)
	if !json.Valid(raw) {
		panic(fmt.Sprintf("not valid: %.99q", raw))
	}
	if len(raw) > 2000 {
		return // it takes the square of the depth
	}
	for m, _ := text.Object(v); m.Next(); {
		walk(text, m.Value)
	}
	for i, _ := text.Array(v); i.Next(); {
		walk(text, i.Item)
	}
}

func check(t *testing.T, text []byte) {
	t.Helper()
	if string(bytes.Trim(text, " \t\r\n")) == "null" {
		return // encoding/json makes a nil map of it
	}
	var wantMembers map[string]json.RawMessage
	wantErr := json.Unmarshal(text, &wantMembers)
	gotMembers, err := members(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("object %.99q: %v, encoding/json says %v", text, err, wantErr)
	}
	if err == nil && !maps.EqualFunc(gotMembers, wantMembers, same) {
		t.Errorf("object %.99q (-want +got):\n%s", text, cmp.Diff(wantMembers, gotMembers))
	}
	var wantItems []json.RawMessage
	wantErr = json.Unmarshal(text, &wantItems)
	gotItems, err := items(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("array %.99q: %v, encoding/json says %v", text, err, wantErr)
	}
	if err == nil && !slices.EqualFunc(gotItems, wantItems, same) {
		t.Errorf("array %.99q (-want +got):\n%s", text, cmp.Diff(wantItems, gotItems))
	}
}

func same(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

func TestAsEncodingJSON(t *testing.T) {
	for _, text := range texts {
		check(t, []byte(text))
		check(t, []byte("["+text+"]"))
		check(t, []byte(`{"key":`+text+"}"))
	}
}

func FuzzAsEncodingJSON(f *testing.F) {
	for _, text := range texts {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Fuzz(check)
}

// A Text that is used again allocates nothing.
func TestNoAllocations(t *testing.T) {
	text := []byte(`{"hash":"0x1234567890abcdef","list":[{"a":1.5e3},{"b":"0x"}],"no":null}`)
	parsed := new(scan.Text)
	allocs := testing.AllocsPerRun(100, func() {
		if err := parsed.Parse(text); err != nil {
			t.Fatal(err)
		}
		for m, _ := parsed.Object(parsed.Root()); m.Next(); {
			for i, _ := parsed.Array(m.Value); i.Next(); {
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
