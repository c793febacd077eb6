//go:build e2e && unix

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

var (
	seed   = flag.Uint64("seed", 1, "of what proxies spoil")
	blocks = flag.Int("blocks", 2000, "of the chain that is served under load")
)

// loadChain makes a chain of blocks of eleven transactions. With a salt it is
// another one from block fork on. It gives the genesis file and the blocks.
func loadChain(t *testing.T, blocks, fork int, salt string, more ...string) (genesis, rlp string) {
	t.Helper()
	dir := t.TempDir()
	c := exec.CommandContext(t.Context(), "go", append([]string{"run", "./load", "-out", dir,
		"-blocks", fmt.Sprint(blocks), "-fork", fmt.Sprint(fork), "-salt", salt}, more...)...)
	c.Dir = "../../testdata/generate"
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "genesis.json"), filepath.Join(dir, "chain.rlp")
}

// A watch looks at a file while it is written: no block in it may ever differ
// from the node's.
type watch struct {
	g       *gapless
	want    map[uint64]told
	checked map[uint64]common.Hash
	stop    context.CancelFunc
	ended   chan error // buffered, 1
}

// watches begins to look.
func (g *gapless) watches(want map[uint64]told) *watch {
	ctx, cancel := context.WithCancel(g.ctx)
	w := &watch{g: g, want: want, checked: map[uint64]common.Hash{}, stop: cancel, ended: make(chan error, 1)}
	go func() { w.ended <- w.run(ctx) }()
	return w
}

func (w *watch) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := w.look()
		notYet := errors.Is(err, store.ErrNoChain) || errors.Is(err, fs.ErrNotExist)
		if err != nil && !notYet && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// look compares what is new in the file with the node's answers.
func (w *watch) look() error {
	return w.g.read(func(r *store.Reader) error {
		stored, err := r.HashesBetween(w.g.ctx, 0, 1<<62)
		if err != nil {
			return err
		}
		for _, b := range stored {
			if w.checked[b.Number] == b.Hash {
				continue
			}
			want, ok := w.want[b.Number]
			if !ok {
				return fmt.Errorf("block %d, which the node has not, is stored", b.Number)
			}
			if err := sameBlock(w.g.ctx, r, b.Number, want); err != nil {
				return err
			}
			w.checked[b.Number] = b.Hash
		}
		return nil
	})
}

// end stops to look, looks once more and fails the test if something was wrong.
// It gives how many blocks were compared.
func (w *watch) end() int {
	w.g.t.Helper()
	w.stop()
	if err := errors.Join(<-w.ended, w.look()); err != nil {
		w.g.t.Fatal(err)
	}
	return len(w.checked)
}

// all asks a node for all its blocks.
func all(t *testing.T, n *nodes.Node, first uint64) map[uint64]told {
	t.Helper()
	var head string
	if err := call(t.Context(), n, &head, "eth_blockNumber"); err != nil {
		t.Fatal(err)
	}
	last, _ := quantity(head)
	var numbers []uint64
	for number := first; number <= last; number++ {
		numbers = append(numbers, number)
	}
	all, err := ask(t.Context(), n, numbers)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// complete waits until the file has all of the node's blocks.
func (g *gapless) complete(n *nodes.Node) time.Duration {
	g.t.Helper()
	return g.eventually(func() error {
		return g.read(func(r *store.Reader) error { return atHead(g.ctx, r, n) })
	})
}

// allFaults are those that cost no time by themselves.
func allFaults() []fault { return slices.Concat(wireFaults(), gapFaults(), lieFaults()) }

// Every twentieth block fails four times in any way, two in a hundred of the
// other answers are spoiled: the file is complete and right all the same, and
// was never wrong.
func TestSpoiledGeth(t *testing.T) {
	const bar = 90 * time.Second
	genesis, rlp := loadChain(t, *blocks, 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	want := all(t, n, 0)
	p := newProxy(t, n, thisMachine, *seed)
	p.set(spoils{every: 20, times: 4, rate: 0.02, faults: allFaults()})
	g := runFor(t, 5*time.Minute, p.url, "--retry-base", "100ms")
	w := g.watches(want)
	took := g.complete(n)
	t.Logf("complete in %v, %d failures were recorded", took.Round(time.Millisecond), len(g.journal("failed")))
	if took > bar {
		t.Errorf("took longer than %v", bar)
	}
	g.wasRight(w, len(want))
}

// wasRight ends a watch, and proves that all is there and never was anything
// else.
func (g *gapless) wasRight(w *watch, blocks int) {
	g.t.Helper()
	if compared := w.end(); compared != blocks {
		g.t.Errorf("%d blocks compared, not %d", compared, blocks)
	}
	for _, kind := range []string{"reorg", "reset"} {
		if rows := g.journal(kind); rows != nil {
			g.t.Errorf("of a chain that never changed: %+v", rows)
		}
	}
	g.stop()
}

// A node that limits, refuses and hangs besides: it takes its time, and all is
// there in the end.
func TestLimitedGeth(t *testing.T) {
	genesis, rlp := loadChain(t, min(*blocks, 400), 1, "")
	n := nodes.StartGeth(t, genesis, rlp)
	want := all(t, n, 0)
	p := newProxy(t, n, thisMachine, *seed)
	p.set(spoils{every: 20, times: 1, rate: 0.02, faults: slices.Concat(limitFaults(p), hangFaults())})
	g := runFor(t, 20*time.Minute, p.url, "--retry-base", "100ms")
	w := g.watches(want)
	t.Logf("complete in %v, %d failures were recorded", g.complete(n).Round(time.Millisecond), len(g.journal("failed")))
	g.wasRight(w, len(want))
}

// The same with development nodes, where what is wrong may be stored with a
// note, and whose chain grows meanwhile.
func TestSpoiledDevnets(t *testing.T) {
	for _, tt := range []struct {
		name, node, scheme string
		blocks             int
		args               []string
	}{
		{"anvil", "anvil", "http", 200, nil},
		{"anvil over a WebSocket", "anvil", "ws", 200, nil},
		{"anvil, strict", "anvil", "http", 200, []string{"--verify", "strict"}},
		{"hardhat", "hardhat", "http", 100, nil},
		{"ganache", "ganache", "http", 100, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := devnets[tt.node](t)
			transfers(t, n, tt.blocks, 1)
			p := newProxy(t, n, thisMachine, *seed)
			g := run(t, tt.scheme+strings.TrimPrefix(p.url, "http"), append([]string{"--retry-base", "100ms"}, tt.args...)...)
			g.says("msg=following", 1) // or its default level is another
			p.set(spoils{every: 20, times: 4, rate: 0.02, faults: allFaults()})
			transfers(t, n, tt.blocks/2, 1)
			time.Sleep(time.Second) // anvil takes a transaction before its block is there
			want := all(t, n, 0)
			w := g.watches(want)
			t.Logf("complete in %v, %d failures were recorded", g.complete(n).Round(time.Millisecond), len(g.journal("failed")))
			g.crash()
			time.Sleep(2 * time.Second) // at the head: it is not led astray
			g.complete(n)
			g.wasRight(w, len(want))
		})
	}
}
