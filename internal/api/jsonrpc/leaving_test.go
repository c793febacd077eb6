package jsonrpc_test

import (
	"context"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gapless/internal/api/jsonrpc"
)

// A client that leaves while the file is read for it takes nothing away from the
// others: they hear of every head and log once.
func TestClientThatLeaves(t *testing.T) {
	for _, tt := range []struct{ name, method, params string }{
		{"while it polls", "eth_getFilterChanges", `[%q]`},
		{"while it makes a filter", "eth_newBlockFilter", `[]`},
		{"while it makes a filter for logs", "eth_newFilter", `[{}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var leave atomic.Pointer[context.CancelFunc]
			f := newFixture(t, recording(), 0, func(o *jsonrpc.Options) {
				o.Changed = nil // nobody tells unless a client asks
				o.Head = func() uint64 {
					if cancel := leave.Load(); cancel != nil {
						(*cancel)()
					}
					return math.MaxInt64
				}
			})
			f.commit(30)
			stays, leaves := &client{f: f}, &client{f: f}
			stays.blockFilter, stays.logFilter = stays.newFilter("eth_newBlockFilter", `[]`), stays.newFilter("eth_newFilter", `[{}]`)
			leaves.logFilter = leaves.newFilter("eth_newFilter", `[{}]`)
			var heads, logs []told
			for last := uint64(31); last <= 130; last++ {
				f.commit(last)
				b := decode(t, f.chain.Block(last))
				heads, logs = append(heads, headOf(b)), append(logs, logsIn(b, false)...)

				ctx, cancel := context.WithCancel(t.Context())
				leave.Store(&cancel)
				params := strings.Replace(tt.params, "%q", fmt.Sprintf("%q", leaves.logFilter), 1)
				body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, tt.method, params)
				r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				f.handler.ServeHTTP(httptest.NewRecorder(), r)
				if ctx.Err() == nil {
					t.Fatal("the file was not read")
				}
				leave.Store(nil)
			}
			if len(logs) == 0 {
				t.Fatal("no block has logs")
			}
			stays.polls(heads, logs)
		})
	}
}
