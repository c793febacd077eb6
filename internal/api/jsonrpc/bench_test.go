package jsonrpc_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
	"gapless/internal/store/busychain"
)

// BenchmarkCalls answers calls from a file of 1,000,000 logs, while nothing else
// happens and while blocks are written as fast as it goes. Logs are those of a
// contract that has 15 of 100, over 2,000 blocks. p50-ns and p99-ns are how long
// a call takes, without the network. Compare runs with benchstat:
//
//	go test -run '^$' -bench Calls -benchtime 200x -count 6 ./internal/api/jsonrpc
func BenchmarkCalls(b *testing.B) {
	const blocks = 100_001
	s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "busy.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := busychain.New()
	if err := c.Write(b.Context(), s, blocks); err != nil {
		b.Fatal(err)
	}
	h := jsonrpc.New(jsonrpc.Options{Reader: s.Reader, Client: "gapless/test", Changed: s.Changed})
	defer h.Close()
	f := &fixture{t: b, store: s, handler: h}
	b.Run("idle", func(b *testing.B) { calls(b, f, blocks) })
	b.Run("writing", func(b *testing.B) {
		ctx, stop := context.WithCancel(b.Context())
		var group sync.WaitGroup
		var failed error
		group.Go(func() { failed = c.WriteOn(ctx, s) })
		calls(b, f, blocks)
		stop()
		if group.Wait(); failed != nil {
			b.Error(failed)
		}
	})
}

func calls(b *testing.B, f *fixture, blocks uint64) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, call := range []struct {
		name string
		body func() string
	}{
		{"eth_getLogs", func() string {
			first := random.Uint64N(blocks - 2000)
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"%#x","toBlock":"%#x","address":"%s"}]}`,
				first, first+1999, busychain.Busy)
		}},
		{"eth_getBlockByNumber", func() string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["%#x",false]}`, random.Uint64N(blocks))
		}},
		{"eth_getBlockReceipts", func() string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getBlockReceipts","params":["%#x"]}`, random.Uint64N(blocks))
		}},
		{"eth_blockNumber", func() string { return `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}` }},
	} {
		b.Run(call.name, func(b *testing.B) {
			var took []time.Duration
			size := 0
			for b.Loop() {
				body := []byte(call.body())
				began := time.Now()
				answer := f.post(body)
				took = append(took, time.Since(began))
				size += len(answer)
				if strings.Contains(string(answer[:min(len(answer), 60)]), `"error"`) {
					b.Fatalf("%.300s", answer)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[(len(took)-1)*99/100].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(size)/float64(len(took)), "B/answer")
		})
	}
}
