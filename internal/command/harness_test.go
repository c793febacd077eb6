package command

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gapless/internal/chain"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
	"gapless/testdata"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain keeps what the demo writes in a folder that goes at the end.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "gapless-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		os.Setenv("TMPDIR", folder)
		defer startProxy()()
		return m.Run()
	}())
}

// goldens is where the golden files are; a test may change the working folder.
var goldens = func() string {
	path, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return path
}()

// golden compares a text with testdata/name.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(goldens, name+".golden")
	if *update {
		if err := os.MkdirAll(goldens, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// A text collects output, and is safe for concurrent use.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// gapless runs a command to its end.
func gapless(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := begin(t, args...)
	return p.wait(), p.stdout.String(), p.stderr.String()
}

// mustGapless runs a command that must succeed, and gives its output.
func mustGapless(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := gapless(t, args...)
	if code != 0 {
		t.Fatalf("gapless %s: exit %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// A process is a command that runs.
type process struct {
	t              *testing.T
	stdout, stderr text
	interrupt      context.CancelFunc
	ended          chan int
	code           *int
}

// begin starts a command. It is interrupted at the end of the test.
func begin(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, interrupt: cancel, ended: make(chan int, 1)}
	go func() { p.ended <- Main(ctx, args, &p.stdout, &p.stderr) }()
	t.Cleanup(func() {
		cancel()
		p.wait()
	})
	return p
}

// wait gives the exit code.
func (p *process) wait() int {
	if p.code == nil {
		code := <-p.ended
		p.code = &code
	}
	return *p.code
}

// stop interrupts the command and gives the exit code.
func (p *process) stop() int {
	p.interrupt()
	return p.wait()
}

// says waits until the command has said something.
func (p *process) says(what string) {
	p.t.Helper()
	eventually(p.t, what, func() bool { return strings.Contains(p.stderr.String()+p.stdout.String(), what) })
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 12_000 { // two minutes: the race detector is slow
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("in vain for: %s", what)
}

var recording = testdata.Recording

// serve serves the recorded chain up to a head over HTTP.
func serve(t *testing.T, head uint64) (*nodetest.Node, string) {
	t.Helper()
	n := nodetest.New(recording())
	n.Head = head
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return n, server.URL
}

// allFail makes blocks fail until they are told not to.
func allFail(numbers ...uint64) map[uint64]*nodetest.Fault {
	faults := make(map[uint64]*nodetest.Fault)
	for _, number := range numbers {
		faults[number] = &nodetest.Fault{Kind: nodetest.RPCError}
	}
	return faults
}

// fail changes which blocks of a node fail.
func fail(n *nodetest.Node, faults map[uint64]*nodetest.Fault) {
	n.Do(func(n *nodetest.Node) { n.Faults = maps.Clone(faults) })
}

// newDB is the path of a file that isn't there.
func newDB(t *testing.T) string { return filepath.Join(t.TempDir(), "chain.db") }

// writeFile makes a file of the recorded chain, up to a head, in which some
// blocks are missing.
func writeFile(t *testing.T, head uint64, failures ...*chain.Failure) string {
	t.Helper()
	path := newDB(t)
	ctx := t.Context()
	s, err := store.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	r := recording()
	err = s.Identify(ctx, store.Identity{ChainID: r.ChainID, Genesis: r.Blocks[0].Hash, Client: "Geth/v1.17.10"})
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	var anchors []store.Anchor
	for number := uint64(0); number <= head; number++ {
		e := store.Entry{}
		if len(failures) > 0 && failures[0].Number == number {
			e.Failure, failures = failures[0], failures[1:]
		} else {
			e.Block = decode(t, r.Block(number))
			anchors = append(anchors, store.Anchor{Number: number, Hash: e.Block.Hash})
		}
		entries = append(entries, e)
	}
	if err := s.Commit(ctx, entries, anchors...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func decode(t *testing.T, raw *recorded.Block) *chain.Block {
	t.Helper()
	b, err := chain.DecodeBlock(raw.Block)
	if err == nil {
		err = b.DecodeReceipts(raw.Receipts)
	}
	if err == nil {
		err = b.DecodeUncles(raw.Uncles)
	}
	if err != nil {
		t.Fatal(err)
	}
	if v := chain.Verify(b, chain.AllChecks); !v.Verified() {
		t.Fatalf("block %d: %s", b.Number, v.Why)
	}
	return b
}
