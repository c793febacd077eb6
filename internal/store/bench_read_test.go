//go:build unix

package store_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/store"
	"gapless/internal/store/busychain"
)

// readBlocks is how many blocks the file has that is read: 1,000,000 logs.
const readBlocks = 100_001

// BenchmarkRead looks things up in a file of 1,000,000 logs, while nothing else
// happens and while blocks are written as fast as it goes. p50-ns and p99-ns are
// how long a look-up takes. Compare runs with benchstat:
//
//	go test -run '^$' -bench Read -benchtime 2000x -count 6 ./internal/store
func BenchmarkRead(b *testing.B) {
	s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "busy.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c := busychain.New()
	if err := c.Write(b.Context(), s, readBlocks); err != nil {
		b.Fatal(err)
	}
	f := &readFile{Store: s, random: rand.New(rand.NewPCG(1, 2))}
	if err := f.sample(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("idle", f.looks)
	b.Run("writing", func(b *testing.B) {
		ctx, stop := context.WithCancel(b.Context())
		var group sync.WaitGroup
		var failed error
		group.Go(func() { failed = c.WriteOn(ctx, s) })
		f.looks(b)
		stop()
		if group.Wait(); failed != nil {
			b.Error(failed)
		}
	})
}

// A readFile is a file with hashes of what is in it.
type readFile struct {
	*store.Store
	random       *rand.Rand
	blocks       []common.Hash
	transactions []common.Hash
}

// sample finds hashes all over the file.
func (f *readFile) sample(ctx context.Context) error {
	for range 2000 {
		err := f.View(ctx, func(v *store.View) error {
			b, err := v.Block(1+f.random.Uint64N(readBlocks-1), store.PartHashes)
			if err == nil {
				f.blocks, f.transactions = append(f.blocks, b.Hash), append(f.transactions, b.Transactions[0].Hash)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// looks runs each look-up for itself.
func (f *readFile) looks(b *testing.B) {
	for _, look := range []struct {
		name string
		up   func(context.Context) error
	}{
		{"nothing", func(context.Context) error { spin(); return nil }},
		{"header-by-number", f.view(func(v *store.View) error { _, _, err := v.Header(f.number()); return err })},
		{"block-by-hash", f.view(f.blockByHash)},
		{"block-whole", f.view(func(v *store.View) error { _, err := v.Block(f.number(), store.PartAll); return err })},
		{"transaction-by-hash", f.view(func(v *store.View) error { _, err := v.Transaction(pick(f, f.transactions), true); return err })},
		{"head", func(ctx context.Context) error { _, err := f.Latest(ctx); return err }},
		{"page-of-blocks", func(ctx context.Context) error { _, err := f.Summaries(ctx, f.page()); return err }},
		{"page-of-an-account", func(ctx context.Context) error {
			_, err := f.TransactionsOf(ctx, busychain.Account(f.random.Uint64()), store.Everything(50))
			return err
		}},
		{"page-of-busy-logs", func(ctx context.Context) error {
			_, err := f.LogSummaries(ctx, &busychain.Busy, nil, f.page())
			return err
		}},
		{"page-of-busy-transfers", func(ctx context.Context) error {
			_, err := f.TransferSummaries(ctx, &busychain.Busy, nil, f.page())
			return err
		}},
		{"missing-of-all", func(ctx context.Context) error { _, err := f.CountMissing(ctx, 0, readBlocks); return err }},
		{"busy-logs-2000-blocks", f.view(f.busyLogs)},
	} {
		b.Run(look.name, func(b *testing.B) { timed(b, look.up) })
	}
}

// spin only needs the processor, for as long as a look-up does: what it takes
// longer is not the file's doing.
func spin() {
	for began := time.Now(); time.Since(began) < 30*time.Microsecond; {
	}
}

// timed runs a look-up and tells how long it took of each.
func timed(b *testing.B, up func(context.Context) error) {
	var took []time.Duration
	used := cpuTime()
	for b.Loop() {
		began := time.Now()
		if err := up(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/float64(len(took)), "cpu-ns/op") // with the writer's
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[(len(took)-1)*99/100].Nanoseconds()), "p99-ns")
}

func (f *readFile) view(look func(*store.View) error) func(context.Context) error {
	return func(ctx context.Context) error { return f.View(ctx, look) }
}

func (f *readFile) number() uint64 { return f.random.Uint64N(readBlocks) }

func pick(f *readFile, hashes []common.Hash) common.Hash { return hashes[f.random.IntN(len(hashes))] }

// page is one somewhere in a list.
func (f *readFile) page() store.Range {
	r := store.Everything(50)
	r.After = &store.Position{Block: 1000 + f.random.Uint64N(readBlocks-1000)}
	return r
}

func (f *readFile) blockByHash(v *store.View) error {
	number, err := v.Number(pick(f, f.blocks))
	if err == nil {
		_, err = v.Block(number, store.PartHashes)
	}
	return err
}

// busyLogs encodes what it finds, as JSON-RPC does.
func (f *readFile) busyLogs(v *store.View) error {
	first := f.random.Uint64N(readBlocks - 2000)
	var out []byte
	return v.Logs(context.Background(), &store.LogQuery{First: first, Last: first + 1999, Addresses: []common.Address{busychain.Busy}},
		func(l *store.FoundLog) error {
			out = l.AppendLog(out[:0], &l.At)
			return nil
		})
}
