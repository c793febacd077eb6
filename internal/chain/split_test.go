package chain

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is split is what encoding/json makes of it, and no copy.
func FuzzSplit(f *testing.F) {
	for _, raw := range []string{
		`[]`, `{}`, ` [ 1 , "a" , null ] `, `{"a":1,"b":[{"c":"}"}],"a":2}`, `{"\u0061\"":"\\","é":[[],{}]}`,
		`[1,2`, `{"a"`, `{"a":}`, `"a"`, `[,]`, `]`, `{"a":"\"`, `[-1.5e3,true,false]`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		elements, members := []json.RawMessage{}, map[string]json.RawMessage{}
		asArray := SplitArray(raw, func(element json.RawMessage) error {
			elements = append(elements, element)
			return nil
		})
		asObject := SplitObject(raw, func(key string, value json.RawMessage) error {
			members[key] = value
			return nil
		})
		if !json.Valid(raw) {
			return // there only must not be a panic
		}
		switch bytes.TrimSpace(raw)[0] {
		case '[':
			compareSplit(t, raw, elements, asArray)
		case '{':
			compareSplit(t, raw, members, asObject)
		default:
			if asArray == nil || asObject == nil {
				t.Errorf("%s was split", raw)
			}
		}
	})
}

func compareSplit[T any](t *testing.T, raw []byte, got T, err error) {
	var want T
	if err != nil || json.Unmarshal(raw, &want) != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", raw, diff)
	}
}
