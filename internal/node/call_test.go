package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/node"
)

// What a node says with an error is given on whole, however long, as what an
// eth_call reverted with; but no secret in it, even where JSON is none without.
func TestCallGivesDataOn(t *testing.T) {
	t.Parallel()
	long := `"0x08c379a0` + strings.Repeat("00", 2000) + `"`
	for _, tt := range []struct {
		data string
		want any
	}{
		{long, json.RawMessage(long)},
		{`{"a":[1,"key 31415926535"]}`, json.RawMessage(`{"a":[1,"key …"]}`)},
		{`[31415926535]`, nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var calls []struct{ ID json.RawMessage }
			var one struct{ ID json.RawMessage }
			var raw json.RawMessage
			if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
				return
			}
			answer := func(id json.RawMessage) string {
				return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":3,"message":"execution reverted","data":%s}}`, id, tt.data)
			}
			if json.Unmarshal(raw, &calls) == nil {
				var all []string
				for _, c := range calls {
					all = append(all, answer(c.ID))
				}
				fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
				return
			}
			if json.Unmarshal(raw, &one) == nil {
				fmt.Fprint(w, answer(one.ID))
			}
		}))
		t.Cleanup(server.Close)
		n := open(t, node.Options{URLs: []string{server.URL + "/31415926535"}})
		_, err := n.Call(t.Context(), "eth_call", nil)
		answer, ok := errors.AsType[*node.AnswerError](err)
		if !ok {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, answer.ErrorData()); diff != "" {
			t.Errorf("%.60s (-want +got):\n%s", tt.data, diff)
		}
	}
}

// A call of somebody else's is sent as it is, and so is its answer given.
func TestCall(t *testing.T) {
	var asked string
	answer := `{"jsonrpc":"2.0","id":1,"result":{"b":1,"a":[]}}`
	fake := chainOf(3) // says which chain it is
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Contains(body, []byte("eth_call")) {
			r.Body = io.NopCloser(bytes.NewReader(body))
			fake.ServeHTTP(w, r)
			return
		}
		asked = string(body)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	n := open(t, node.Options{URLs: []string{server.URL + "/SECRETKEY123"}})
	params := []json.RawMessage{json.RawMessage(`{"to":"0x1"}`), json.RawMessage(`null`)}
	got, err := n.Call(t.Context(), "eth_call", params)
	if err != nil || string(got) != `{"b":1,"a":[]}` {
		t.Errorf("%s, %v", got, err)
	}
	if want := `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x1"},null]}`; asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}

	answer = `{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"reverted by SECRETKEY123","data":{"why":"SECRETKEY123"}}}`
	_, err = n.Call(t.Context(), "eth_call", nil)
	e, ok := errors.AsType[*node.AnswerError](err)
	if !ok || e.ErrorCode() != 3 {
		t.Fatalf("%#v", err)
	}
	data, _ := json.Marshal(e.ErrorData())
	if text := e.Error() + string(data); !strings.Contains(text, "reverted by") || !strings.Contains(text, `{"why":`) || strings.Contains(text, "SECRET") {
		t.Errorf("%s", text)
	}

	answer = `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}`
	if _, err = n.Call(t.Context(), "eth_call", nil); err == nil || err.Error() != "no such method" {
		t.Errorf("%v", err)
	}
	if e, ok := errors.AsType[*node.AnswerError](err); !ok || e.ErrorData() != nil {
		t.Errorf("%#v", err)
	}

	server.Close()
	if _, err = n.Call(t.Context(), "eth_call", nil); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("%v", err)
	}
}
