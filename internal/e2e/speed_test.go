//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"gapless/internal/e2e/nodes"
)

var (
	speedBlocks = flag.Int("speed", 1000, "how many blocks TestSpeed indexes")
	speedTurns  = flag.Int("turns", 1, "how often TestSpeed does so")
)

// What the program needs to index a chain of a geth on the same machine, beside
// what the same requests take when the answers are thrown away. A rate means
// little where others use the machine: hence both in turns, several times.
//
//	go test -tags e2e ./internal/e2e -run Speed -v -speed 20000 -turns 5
func TestSpeed(t *testing.T) {
	genesis, rlp := loadChain(t, *speedBlocks, 1, "", "-transactions", "10")
	n := nodes.StartGeth(t, genesis, rlp)
	var ratios, cpu []float64
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "turn\tthrown away, blocks/s\tindexed, blocks/s\tratio\tCPU s/1000 blocks\tMB peak\tB/block\t")
	for turn := range *speedTurns {
		thrown, err := throwAway(t.Context(), n.HTTP, *speedBlocks)
		if err != nil {
			t.Fatal(err)
		}
		m := indexAll(t, n.HTTP, *speedBlocks)
		all := float64(*speedBlocks)
		ratios, cpu = append(ratios, thrown.Seconds()/m.took.Seconds()), append(cpu, m.cpu.Seconds()/all*1000)
		fmt.Fprintf(out, "%d\t%.0f\t%.0f\t%.2f\t%.3f\t%.0f\t%.0f\t\n", turn+1, all/thrown.Seconds(), all/m.took.Seconds(),
			ratios[turn], cpu[turn], float64(m.peak)/1e6, float64(m.size)/all)
	}
	fmt.Fprintf(out, "median\t\t\t%.2f\t%.3f\t\t\t\n", median(ratios), median(cpu))
	_ = out.Flush() // to memory
	t.Logf("\n%s", &text)
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }

// throwAway asks for all blocks and receipts, as the program does, and says how
// long the answers took.
func throwAway(ctx context.Context, url string, blocks int) (time.Duration, error) {
	const together, connections = 50, 4
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	for first := 0; first <= blocks; first += together {
		g.Go(func() error {
			var calls []nodes.Request
			for number := first; number < min(first+together, blocks+1); number++ {
				at := "0x" + strconv.FormatInt(int64(number), 16)
				calls = append(calls,
					nodes.Request{ID: 2*number + 1, Method: "eth_getBlockByNumber", Params: []any{at, true}},
					nodes.Request{ID: 2*number + 2, Method: "eth_getBlockReceipts", Params: []any{at}})
			}
			message, err := json.Marshal(calls)
			if err != nil {
				return err
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(message))
			if err != nil {
				return err
			}
			r.Header.Set("Content-Type", "application/json")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			_, err = io.Copy(io.Discard, answer.Body)
			return err
		})
	}
	err := g.Wait()
	return time.Since(began), err
}

// An indexing is what it took to index a chain.
type indexing struct {
	took, cpu time.Duration
	peak      int64 // bytes resident
	size      int64 // bytes of the file
}

// indexAll runs the program until it has all blocks.
func indexAll(t *testing.T, url string, last int) (m indexing) {
	t.Helper()
	began := time.Now()
	g := runFor(t, 30*time.Minute, url, "--until", strconv.Itoa(last))
	ended := make(chan int)
	go func() { ended <- g.wait() }()
	m.peak = peakUntil(t, g.cmd.Process.Pid, ended)
	m.took = time.Since(began)
	state := g.cmd.ProcessState
	m.cpu = state.UserTime() + state.SystemTime()
	info, err := os.Stat(g.db)
	if err != nil {
		t.Fatal(err)
	}
	m.size = info.Size()
	g.verify()
	if err := os.Remove(g.db); err != nil {
		t.Fatal(err)
	}
	return m
}

// peakUntil gives the most memory that a process has had when it has ended well.
func peakUntil(t *testing.T, pid int, ended <-chan int) (peak int64) {
	for {
		select {
		case code := <-ended:
			if code != 0 {
				t.Fatalf("exit code %d", code)
			}
			return peak
		case <-time.After(20 * time.Millisecond):
			peak = max(peak, peakOf(pid))
		}
	}
}
