//go:build unix

package archive_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/node/devchain"
	"gapless/internal/store"
)

// BenchmarkParquet exports 200,000 transactions, each with a log that is a
// transfer, in blocks of 10; what is read is verified, as in every export:
//
//	go test -run '^$' -bench Parquet -benchtime 1x -cpu 1 ./internal/archive
//
// CPU time says more than the time on the clock, where others use the machine.
func BenchmarkParquet(b *testing.B) {
	const blocks, rows = 20_000, 1 + 10 + 10 + 10
	path := filepath.Join(b.TempDir(), "chain.db")
	devnet(b, path, devchain.Spec{Blocks: blocks, Transactions: 10, Logs: 1})
	r, err := store.OpenReader(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var used time.Duration
	var size int64
	for b.Loop() {
		folder := b.TempDir()
		before := cpuTime()
		from := uint64(1)
		s, err := archive.Select(b.Context(), r, &from, nil)
		if err != nil {
			b.Fatal(err)
		}
		d, err := archive.OpenDataset(folder, s.Identity, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Add(b.Context(), s, nil); err != nil {
			b.Fatal(err)
		}
		used += cpuTime() - before
		size = sizeOf(b, folder)
	}
	all := float64(b.N) * blocks * rows
	b.ReportMetric(all/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(all/used.Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(used.Nanoseconds())/all, "cpu-ns/row")
	b.ReportMetric(float64(size)/blocks, "B/block")
}

// devnet makes a file of a generated chain.
func devnet(b *testing.B, path string, spec devchain.Spec) {
	c := devchain.Build(spec)
	s, err := store.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Identify(b.Context(), store.Identity{ChainID: c.ChainID, Genesis: c.Blocks[0].Hash, Client: c.Client}); err != nil {
		b.Fatal(err)
	}
	var entries []store.Entry
	for i := range c.Blocks {
		block, err := chain.DecodeBlock(c.Blocks[i].Block)
		if err == nil {
			err = block.DecodeReceipts(c.Blocks[i].Receipts)
		}
		if err != nil {
			b.Fatal(err)
		}
		chain.Verify(block, chain.QuickChecks)
		if entries = append(entries, store.Entry{Block: block}); len(entries) == 1000 || i+1 == len(c.Blocks) {
			if err := s.Commit(b.Context(), entries); err != nil {
				b.Fatal(err)
			}
			entries = entries[:0]
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func sizeOf(b *testing.B, folder string) (size int64) {
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			if err == nil {
				size += info.Size()
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
