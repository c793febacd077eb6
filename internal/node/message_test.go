package node

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gapless/internal/node/devchain"
)

func TestParseAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		calls      int
		want       string
	}{
		{"one", `{"id":1,"result":"0x1"}`, 1, `"0x1" <nil>`},
		{"one in an array", `[{"id":1,"result":"0x1"}]`, 1, `"0x1" <nil>`},
		{"null", `{"id":1,"result":null}`, 1, `null <nil>`},
		{"neither", `{"id":1}`, 1, "answer is not JSON-RPC"},
		{"another id", `{"id":7,"result":"0x1"}`, 1, "answer is not JSON-RPC"},
		{"error without an id", `{"id":null,"error":{"code":-32700,"message":"m"}}`, 1, ` m (code -32700)`},
		{"error is null", `{"id":1,"error":null,"result":"0x1"}`, 1, `"0x1" <nil>`},
		{"error is a string", `{"id":1,"error":"broken"}`, 1, ` "broken" (code 0)`},
		{"code is a string", `{"id":1,"error":{"code":"-32005","message":"m"}}`, 1, ` m (code -32005)`},
		{"code is no integer", `{"id":1,"error":{"code":1.5,"message":"m"}}`, 1, ` m, code "1.5" (code 0)`},
		{"mixed", ` [{"id":"2","result":"b"},{"id":1,"result":"a"}]`, 2, `"a" <nil>, "b" <nil>`},
		{"one missing, one foreign, one twice", `[{"id":2,"result":"b"},{"id":9,"result":"x"},{"id":2,"result":"c"}]`, 2, ` <nil>, "b" <nil>`},
		{"refused by an object", `{"id":null,"error":{"code":-32600,"message":"m"}}`, 2, "m (code -32600)"},
		{"refused by one", `[{"id":1,"error":{"code":-32600,"message":"m"}}]`, 2, "m (code -32600)"},
		{"only one answered", `[{"id":2,"result":"b"}]`, 2, ` <nil>, "b" <nil>`},
		{"empty array", `[]`, 2, " <nil>,  <nil>"},
		{"array of null", `[null,null]`, 2, " <nil>,  <nil>"},
		{"result before id, and other keys", `[{"result":"a","extra":[{"id":2}],"id":1,"jsonrpc":"2.0"},{"result":{"id":1},"id":2}]`, 2, `"a" <nil>, {"id":1} <nil>`},
		{"twice in one answer", `{"id":7,"result":"0x1","result":"0x2","id":1}`, 1, `"0x2" <nil>`},
		{"escaped key", `{"\u0069d":1,"result":"0x1"}`, 1, `"0x1" <nil>`},
		{"array of numbers", `[1,2]`, 2, "answer is not JSON-RPC"},
		{"something after it", `{"id":1,"result":"0x1"} {}`, 1, "answer is not JSON-RPC"},
		{"not UTF-8", "{\"id\":1,\"result\":\"0x\xff\"}", 1, "answer is not JSON-RPC"},
		{"truncated", `[{"id":1,"result":"a"},`, 2, "answer is not JSON-RPC"},
		{"page", `<html>`, 2, "answer is not JSON-RPC"},
		{"nothing", ``, 1, "answer is not JSON-RPC"},
		{"a number", `17`, 1, "answer is not JSON-RPC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			responses, err := parseAnswer([]byte(tt.body), tt.calls)
			got := ""
			for i, r := range responses {
				if i > 0 {
					got += ", "
				}
				var failure error
				if r.failure != nil {
					failure = r.failure
				}
				got += fmt.Sprintf("%s %v", r.result, failure)
			}
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, body := range []string{
		`[{"id":1,"result":"a"},{"id":"2","error":{"code":-32000,"message":"m"}}]`,
		`{"id":null,"error":{"code":-32600,"message":"batch too large"}}`, `[]`, `[null]`, `{}`, `[[[[`,
	} {
		f.Add([]byte(body), 2)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		n = 1 + n&63
		responses, err := parseAnswer(body, n)
		refused, isRefused := errors.AsType[*refusedError](err)
		switch {
		case err == nil && len(responses) != n:
			t.Fatalf("%d answers to %d calls", len(responses), n)
		case err != nil && responses != nil:
			t.Fatal("answers and an error")
		case isRefused && (refused.rpcError == nil || n == 1):
			t.Fatalf("refused %d calls by %v", n, refused)
		}
	})
}

// A batch of blocks of 10 transactions with their receipts.
func BenchmarkParseAnswer(b *testing.B) {
	var body bytes.Buffer
	c := devchain.Build(devchain.Spec{Blocks: 50, Transactions: 10, Logs: 1})
	for i, raw := range c.Blocks[1:] {
		fmt.Fprintf(&body, `,{"jsonrpc":"2.0","id":%d,"result":%s},{"jsonrpc":"2.0","id":%d,"result":%s}`, 2*i+1, raw.Block, 2*i+2, raw.Receipts)
	}
	body.WriteByte(']')
	body.Bytes()[0] = '['
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		responses, err := parseAnswer(body.Bytes(), 100)
		if err != nil || !responses[99].is() {
			b.Fatal(err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "0.5": time.Second / 2, "-3": 0, "nonsense": 0, "1e300": 1e6 * time.Second,
		"Thu, 01 Jan 2026 00:00:10 GMT": 10 * time.Second, "Thu, 01 Jan 2020 00:00:10 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
