//go:build e2e && unix

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

// never is the fault of a block that is never answered for.
func never() fault { return fault{name: "never", wire: hangFaults()[0].wire} }

// always spoils some blocks each time.
func (p *proxy) always(f fault, blocks ...uint64) {
	s := spoils{fault: f, always: map[uint64]bool{}}
	for _, number := range blocks {
		s.always[number] = true
	}
	p.set(s)
}

// silent waits until all but some blocks are stored, and those are missing
// because nothing came for them.
func (g *gapless) silent(head uint64, blocks []uint64) time.Duration {
	g.t.Helper()
	return g.eventually(func() error {
		return g.read(func(r *store.Reader) error {
			next, err := r.Next(g.ctx)
			if err != nil || next != head+1 {
				return fmt.Errorf("the next block is %d: %w", next, err)
			}
			rows, err := r.FailedFrom(g.ctx, 0, 100)
			var missing []uint64
			for _, row := range rows {
				if missing = append(missing, row.Number); row.Class != "timeout" {
					return fmt.Errorf("block %d is missing because of %s", row.Number, row.Class)
				}
			}
			if !slices.Equal(missing, blocks) {
				return fmt.Errorf("%d blocks are missing, not %d: %w", len(missing), len(blocks), err)
			}
			return nil
		})
	})
}

// Blocks that a real node never answers for, or by a byte a second, hold up no
// others while catching up.
func TestSilentGeth(t *testing.T) {
	const slack = 60 * time.Second // several times what it takes
	genesis, rlp := loadChain(t, *blocks, 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	last := uint64(*blocks)
	var twenty []uint64
	for i := range uint64(20) {
		twenty = append(twenty, last*(i+1)/21)
	}
	three := []uint64{last * 7 / 20, last / 2, last * 3 / 4}
	var usual time.Duration
	for _, tt := range []struct {
		name   string
		fault  fault
		silent []uint64
	}{
		{"none", never(), nil},
		{"three", never(), three},
		{"twenty", never(), twenty},
		{"three, a byte a second", fault{name: "drip", wire: drip}, three},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProxy(t, n, thisMachine, *seed)
			p.always(tt.fault, tt.silent...)
			g := run(t, p.url, "--retry-base", "1s") // what was slow, not silent, is soon there
			took := g.silent(last, tt.silent)
			if tt.silent == nil {
				usual = took
			}
			t.Logf("all others stored in %v, %v more than without silence", took.Round(time.Millisecond), (took - usual).Round(time.Millisecond))
			if took > usual+slack {
				t.Errorf("took over %v longer", slack)
			}
		})
	}
}

// When all silent blocks are due at a start, a new block is stored at once.
func TestSilentRetries(t *testing.T) {
	n := devnets["anvil"](t)
	transfers(t, n, 100, 1)
	p := newProxy(t, n, thisMachine, *seed)
	var silent []uint64
	for number := uint64(41); number <= 60; number++ {
		silent = append(silent, number)
	}
	p.always(never(), silent...)
	g := run(t, p.url, "--retry-base", "1ms")
	g.silent(100, silent)
	g.crash()
	for i := range 10 {
		time.Sleep(200 * time.Millisecond)
		transfer(t, n, 1000+i)
		took := g.silent(uint64(101+i), silent)
		t.Logf("block %d is stored %v after it was made", 101+i, took.Round(time.Millisecond))
	}
	p.set(spoils{})
	g.complete(n)
	g.stop()
}
