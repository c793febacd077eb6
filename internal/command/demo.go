package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"gapless/gapfill"
	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

const demoUsage = `
See it work, without a node: index a recorded chain from a node in this process that at first fails
to give a twentieth of its blocks, in seven ways; watch the gaps appear and heal; prove the file;
and serve it until Ctrl-C. It writes to a new temporary folder.

usage: gapless demo [flags]

  --once               end when all is proved
  --listen ADDR|off    where to serve HTTP (127.0.0.1:8600, or any port if that is taken)
`

func (a *app) demoCommand() *cobra.Command {
	var listen string
	var once bool
	c := a.command("demo", demoUsage, 0, func(ctx context.Context, _ []string) error {
		address, err := parseListen(listen)
		if err != nil {
			return err
		}
		return a.demo(ctx, address, once)
	})
	c.Flags().StringVar(&listen, "listen", defaultListen, "")
	c.Flags().BoolVar(&once, "once", false, "")
	return c
}

// What the demo's node does wrong, in turn. The last three are for every fifth
// block that fails only, as they are waited for.
var misdeeds = []struct {
	kind nodetest.Kind
	name string
}{
	{nodetest.RPCError, "answers with an error"},
	{nodetest.TruncatedBody, "breaks off inside the answer"},
	{nodetest.WrongRoot, "gives a wrong receipts root"},
	{nodetest.HTML, "gives a proxy's HTML page"},
	{nodetest.NullBlock, "answers null for the block"},
	{nodetest.NullReceipts, "answers null for its receipts"},
	{nodetest.Hang, "does not answer at all"},
}

// misdeed gives the one for the so-many-th block that fails.
func misdeed(i int) int {
	const quick = 4
	if i%5 == 4 {
		return quick + i/5%(len(misdeeds)-quick)
	}
	return i % quick
}

// A demo is a chain, and a node that fails to serve it at first.
type demo struct {
	app    *app
	once   bool
	chain  *recorded.Chain
	faults map[uint64]*nodetest.Fault // by block number; those that are not over
	times  []int                      // blocks that each misdeed is about
	store  atomic.Pointer[store.Store]
	began  time.Time
	proved bool
}

func (a *app) demo(ctx context.Context, listen string, once bool) error {
	folder, err := os.MkdirTemp("", "gapless-demo-")
	if err != nil {
		return err
	}
	d := &demo{app: a, once: once, chain: testdata.Recording(), began: time.Now()}
	d.plan()
	url, stop, err := d.serveNode()
	if err != nil {
		return err
	}
	defer stop()
	out := newConsole(a.stdout)
	d.introduce(out)
	s := newService(d.options(url, filepath.Join(folder, "gapless.db"), listen), out, slog.New(slog.DiscardHandler))
	s.plain = true
	if err := s.run(ctx); err != nil {
		return err
	}
	if once && !d.proved {
		return &exitError{exitIncomplete, errors.New("stopped before all was proved")}
	}
	return nil
}

// options are those of run, with a node that is soon given up on and retries
// that are soon made.
func (d *demo) options(url, db, listen string) options {
	return options{
		db: db, urls: []string{url}, timeout: 3 * time.Second,
		until: &place{head: true}, wait: 2 * time.Minute,
		level: chain.Auto, backoff: gapfill.Backoff{Base: 100 * time.Millisecond},
		listen: listen, anyPort: listen == defaultListen,
		opened: func(s *store.Store) { d.store.Store(s) }, finished: d.finished,
	}
}

// plan decides which blocks the node fails to give, and how.
func (d *demo) plan() {
	d.faults, d.times = make(map[uint64]*nodetest.Fault), make([]int, len(misdeeds))
	for i := 13; i < len(d.chain.Blocks); i += 20 {
		which := misdeed(len(d.faults))
		d.faults[d.chain.Blocks[i].Number] = &nodetest.Fault{Kind: misdeeds[which].kind}
		d.times[which]++
	}
}

// serveNode serves the chain on this machine.
func (d *demo) serveNode() (url string, stop func() error, err error) {
	n := nodetest.New(d.chain)
	n.FaultFunc = d.fault
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: n, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // ends by stop
	return "http://" + listener.Addr().String(), server.Close, nil
}

// fault is what the node does wrong about a block now. It lasts until the block
// is known to be missing; of every fourth one, for a retry more.
func (d *demo) fault(number uint64) *nodetest.Fault {
	f, s := d.faults[number], d.store.Load()
	if f == nil || s == nil {
		return nil
	}
	row, err := s.Failed(context.Background(), number) // the node has no other
	if errors.Is(err, store.ErrNotFound) {
		return f
	}
	const inlineTries = 3
	if err == nil && number%80 < 20 && row.RetryCount <= inlineTries {
		return f
	}
	delete(d.faults, number) // only the node's goroutines read it, one at a time
	return nil
}

func (d *demo) introduce(out *console) {
	out.printf(`A node in this process serves a recorded chain of %s. For %d of them it fails at first,
in %d ways. gapless indexes what it gives, and notes what is missing until it is there.

`, count(len(d.chain.Blocks), "block"), len(d.faults), len(misdeeds))
}

// finished proves the file and shows what was proved.
func (d *demo) finished(ctx context.Context, s *service, missing int) error {
	s.tellNow(s.engine.Load(), s.engine.Load().indexer.Status())
	s.out.endProgress()
	took := time.Since(d.began).Round(100 * time.Millisecond)
	if missing > 0 {
		return &exitError{exitIncomplete, fmt.Errorf("%s still missing after %s", are(missing, "block"), took)}
	}
	appeared, healed, err := d.gaps(ctx, s.store.Reader)
	if err != nil {
		return err
	}
	s.out.printf("\nAll is there after %s: %s appeared, and %d healed. The node\n", took, count(appeared, "gap"), healed)
	for i, m := range misdeeds {
		s.out.printf("  %-32s for %d blocks\n", m.name, d.times[i])
	}
	s.out.printf("\nProof, from the file alone (gapless verify):\n")
	v := verification{out: s.out, progress: &console{out: s.out}}
	if err := v.file(ctx, s.store.Path()); err != nil {
		return err
	}
	d.proved = true
	if d.once {
		return errFinished
	}
	return d.stay(ctx, s)
}

// gaps counts in the journal what was missing and what was filled.
func (d *demo) gaps(ctx context.Context, r *store.Reader) (appeared, healed int, err error) {
	rows, err := r.JournalAfter(ctx, 0, 10_000) // far more than there are
	for _, row := range rows {
		switch row.Kind {
		case "failed":
			appeared++
		case "filled":
			healed++
		}
	}
	return appeared, healed, err
}

// stay serves the file until ctx ends.
func (d *demo) stay(ctx context.Context, s *service) error {
	s.out.printf("\nLook around until Ctrl-C:\n")
	if s.page != nil {
		s.out.printf("  %s\n", s.page.url())
	}
	s.out.printf("  gapless status --db %s\n", pasted(s.store.Path()))
	s.out.printf("  sqlite3 %s 'SELECT * FROM blocks_hex ORDER BY number DESC LIMIT 5'\n", pasted(s.store.Path()))
	<-ctx.Done()
	return context.Cause(ctx)
}
