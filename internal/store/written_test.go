package store_test

import (
	"fmt"
	"os"
	"testing"

	"gapless/internal/node/devchain"
)

// written is how many bytes this process had the system write to disks.
func written(b *testing.B) (bytes int64) {
	b.Helper()
	content, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	var r, w, sr, sw, rb int64
	if _, err := fmt.Sscanf(string(content), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\nread_bytes: %d\nwrite_bytes: %d", &r, &w, &sr, &sw, &rb, &bytes); err != nil {
		b.Fatal(err)
	}
	return bytes
}

// What a block writes to the disk at the head: committed by itself, or with others.
func BenchmarkWritten(b *testing.B) {
	for _, tt := range []struct {
		transactions int
		together     uint64
	}{{0, 1}, {0, 10}, {11, 1}, {11, 10}} {
		b.Run(fmt.Sprintf("%d transactions, %d together", tt.transactions, tt.together), func(b *testing.B) {
			const blocks = 1000
			c := devchain.Build(devchain.Spec{Blocks: 200 + blocks, Transactions: tt.transactions, Logs: 1})
			s := emptyStore(b, newPath(b), c)
			defer func() { _ = s.Close() }()
			commitTo(b, s, c, 200)
			for range b.N {
				before := written(b)
				for at := 200 + tt.together; at <= 200+blocks; at += tt.together {
					commitTo(b, s, c, at)
				}
				b.ReportMetric(float64(written(b)-before)/blocks, "B/block")
			}
		})
	}
}
