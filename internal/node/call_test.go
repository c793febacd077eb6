package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
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
