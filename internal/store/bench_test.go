//go:build unix

package store_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

// BenchmarkCommit commits a chain of blocks of 10 transactions and 10 logs, each
// a transfer, to an empty file, as many at once as in catching up. Compare runs
// with benchstat:
//
//	go test -run '^$' -bench Commit -benchtime 2x -count 6 ./internal/store
//
// CPU time says more than the time on the clock, where others use the machine.
func BenchmarkCommit(b *testing.B) {
	const blocks, together, rows = 2000, 1000, 1 + 10 + 10 + 10
	c := devchain.Build(devchain.Spec{Blocks: blocks, Transactions: 10, Logs: 1})
	entries := make([]store.Entry, len(c.Blocks))
	for i := range c.Blocks {
		block, err := decode(&c.Blocks[i], chain.QuickChecks)
		if err != nil {
			b.Fatal(err)
		}
		entries[i].Block = block
	}
	b.ReportAllocs()
	var used time.Duration
	var size int64
	for b.Loop() {
		b.StopTimer()
		path := filepath.Join(b.TempDir(), "gapless.db")
		s := emptyStore(b, path, c)
		b.StartTimer()
		before := cpuTime()
		for first := 0; first < len(entries); first += together {
			if err := s.Commit(b.Context(), entries[first:min(first+together, len(entries))]); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		used += cpuTime() - before
		b.StopTimer()
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		size = info.Size()
		b.StartTimer()
	}
	all := float64(b.N) * float64(len(entries))
	b.ReportMetric(all*rows/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(used.Nanoseconds())/all/rows, "cpu-ns/row")
	b.ReportMetric(used.Seconds()/all*1000, "cpu-s/1000-blocks")
	b.ReportMetric(float64(size)/float64(len(entries)), "B/block")
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
