//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// The memory that the program takes at most is bounded, whatever is in a block
// and whatever was in the blocks before it: 120 MB and six times the JSON of the
// largest block with its receipts.
func TestMemory(t *testing.T) {
	var logs, transactions, input devchain.Spec
	logs.Blocks, logs.Large.From, logs.Large.Transactions, logs.Large.Logs = 20, 1, 50, 920
	transactions.Blocks, transactions.Large.From, transactions.Large.Transactions = 8, 1, 19_000
	input.Blocks, input.Large.From, input.Large.Transactions, input.Large.Input = 20, 1, 150, 100_000
	jump := logs
	jump.Blocks, jump.Large.From, jump.Transactions, jump.Logs = 520, 501, 3, 2
	for _, tt := range []struct {
		name  string
		spec  devchain.Spec
		fails uint64 // each so manieth block, so that it is retried beside the others; 0: none
	}{
		{"logs", logs, 0},
		{"transactions", transactions, 0},
		{"input", input, 0},
		{"small blocks before", jump, 0},
		{"some are missing at first", input, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := devchain.Build(tt.spec)
			fake := nodetest.New(c)
			for number := tt.fails; tt.fails > 0 && number <= c.Last(); number += tt.fails {
				fake.Faults[number] = &nodetest.Fault{Kind: nodetest.RPCError, Times: 4}
			}
			server := httptest.NewServer(fake)
			defer server.Close()
			g := run(t, server.URL)
			g.eventually(func() error { return g.has(c.Last()) })
			peak, largest := g.peak(), largest(c)
			most := 120<<20 + 6*largest
			t.Logf("peak %d MB, largest block %d MB, at most %d MB", peak>>20, largest>>20, most>>20)
			if peak > most {
				t.Errorf("peak is %d MB over", (peak-most)>>20)
			}
		})
	}
}

// has fails unless all is stored up to a number.
func (g *gapless) has(last uint64) error {
	return g.read(func(r *store.Reader) error {
		next, err := r.Next(g.ctx)
		if err != nil {
			return err
		}
		missing, err := r.FailedFrom(g.ctx, 0, 1)
		if err == nil && (next <= last || len(missing) > 0) {
			err = fmt.Errorf("the next block is %d, and missing: %v", next, missing)
		}
		return err
	})
}

func largest(c *recorded.Chain) (bytes int) {
	for i := range c.Blocks {
		bytes = max(bytes, len(c.Blocks[i].Block)+len(c.Blocks[i].Receipts))
	}
	return bytes
}

// peak gives the most memory that the program has had, in bytes.
func (g *gapless) peak() int {
	g.t.Helper()
	bytes := peakOf(g.cmd.Process.Pid)
	if bytes == 0 {
		g.t.Fatal("it has ended")
	}
	return int(bytes)
}

// peakOf gives the most memory that a process has had, in bytes; 0 if it has
// ended. What the kernel tells afterwards counts the process that started it.
func peakOf(pid int) (bytes int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscanf(line, "%d kB", &bytes) // it may be ending
	return bytes << 10
}
