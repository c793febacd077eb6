package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"gapless/internal/node"
	"gapless/internal/node/nodetest"
)

// A bucket is a node that has so many calls a second, and so many to spare.
type bucket struct {
	*nodetest.Node
	tokens *rate.Limiter
	after  string // Retry-After of a refusal
	code   int    // of an error in a batch's place; 0: HTTP status 429

	mu                sync.Mutex // guards the counts, of calls
	answered, refused int
}

// RoundTrip refuses a request for whose calls there are not enough tokens.
func (b *bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var calls []json.RawMessage
	n := 1
	if json.Unmarshal(body, &calls) == nil {
		n = len(calls)
	}
	answered := b.tokens.AllowN(time.Now(), n)
	b.mu.Lock()
	if answered {
		b.answered += n
	} else {
		b.refused += n
	}
	b.mu.Unlock()
	if answered {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return b.Node.RoundTrip(r)
	}
	refusal := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}, Body: http.NoBody, Request: r}
	if b.after != "" {
		refusal.Header.Set("Retry-After", b.after)
	}
	if b.code != 0 {
		text := fmt.Sprintf(`{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":"limit exceeded"}}`, b.code)
		refusal.StatusCode, refusal.Body = http.StatusOK, io.NopCloser(strings.NewReader(text))
	}
	return refusal, nil
}

// fetchAll has clients fetch all blocks, some at a time, and gives how long it
// takes.
func fetchAll(t *testing.T, n *node.Node, blocks uint64, clients int) time.Duration {
	const atOnce = 10
	start := time.Now()
	spans := make(chan uint64)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for first := range spans {
				results, err := n.Blocks(t.Context(), numbers(first, min(blocks, first+atOnce-1)), 0)
				for _, r := range results {
					if r.Err != nil {
						t.Errorf("block %d: %v", r.Number, r.Err)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for first := uint64(1); first <= blocks; first += atOnce {
		spans <- first
	}
	close(spans)
	all.Wait()
	return time.Since(start)
}

// Of a node that has 20 calls a second, nearly all are used, and few requests
// are refused; one that has less to spare than a batch gives every block.
func TestTokenBucket(t *testing.T) {
	const perSecond, blocks = 20, 1200
	chain := chainOf(blocks).Chain
	allSpare := []int{1, 5, 20, 60}
	if testing.Short() {
		allSpare = allSpare[1:3]
	}
	for _, spare := range allSpare {
		for _, how := range []struct {
			after string
			code  int
		}{{}, {after: "1"}, {code: -32005}} {
			for _, url := range []string{near, far} {
				t.Run(fmt.Sprintf("%d to spare, after %s, code %d, %s", spare, how.after, how.code, url), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := &bucket{
							Node: nodetest.New(chain), tokens: rate.NewLimiter(perSecond, spare), after: how.after, code: how.code,
						}
						took := fetchAll(t, open(t, node.Options{URLs: []string{url}, Transport: b}), blocks, 8)
						answered := float64(b.answered-spare) / took.Seconds()
						refused := float64(b.refused) / float64(b.answered+b.refused)
						t.Logf("%.1f calls a second, %.1f %% refused", answered, 100*refused)
						if spare >= perSecond && (answered < 0.9*perSecond || refused > 0.1) {
							t.Errorf("%.1f calls a second, %.2f refused", answered, refused)
						}
					})
				})
			}
		}
	}
}
