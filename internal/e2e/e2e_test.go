//go:build e2e && unix

// Package e2e runs the program against real nodes, which its tests install and
// start by themselves: `go test -tags e2e ./internal/e2e/...`.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gapless/internal/e2e/nodes"
	"gapless/internal/store"
)

// binary is the program, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gapless-e2e")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "gapless")
	build := exec.Command("go", "build", "-o", binary, "gapless")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A gapless is a running program with its file. Its methods are for one
// goroutine.
type gapless struct {
	t    *testing.T
	ctx  context.Context // ends with the test or its time
	db   string
	args []string
	env  []string // beside that of the test
	log  *output

	mu  sync.Mutex // guards cmd
	cmd *exec.Cmd
}

// testLimit is the time that a test has once the program runs, unless it says
// otherwise.
const testLimit = 3 * time.Minute

// run starts `gapless run` for a node; it is killed at the end of the test.
func run(t *testing.T, url string, args ...string) *gapless {
	t.Helper()
	return runFor(t, testLimit, url, args...)
}

// runFor is run for a test that has another limit. When it is over, the test
// fails: the program is killed, and what waits for it gives up.
func runFor(t *testing.T, limit time.Duration, url string, args ...string) *gapless {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("the test took over %v", limit))
	g := &gapless{
		t: t, ctx: ctx, db: filepath.Join(t.TempDir(), "gapless.db"), log: new(output),
		args: append([]string{"--rpc", url, "--retry-base", "200ms", "--listen", "off"}, args...),
	}
	stop := context.AfterFunc(ctx, g.kill)
	g.start()
	t.Cleanup(func() {
		stop()
		if err := context.Cause(ctx); errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		g.kill()
		if t.Failed() {
			t.Logf("log of gapless:\n%s", g.log.tail())
		}
	})
	return g
}

// An output is what a program writes, while it does.
type output struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) tail() string {
	s := o.String()
	return s[max(0, len(s)-12000):]
}

func (g *gapless) start() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cmd = exec.Command(binary, append([]string{"run", "--db", g.db}, g.args...)...)
	g.cmd.Env = append(os.Environ(), g.env...)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
}

// kill ends the program as a power cut does.
func (g *gapless) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd.ProcessState == nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	}
}

// crash kills the program and starts it again.
func (g *gapless) crash() {
	g.t.Helper()
	g.kill()
	g.start()
}

// interrupt ends the program as Ctrl-C does, and gives its exit code.
func (g *gapless) interrupt() int {
	_ = g.cmd.Process.Signal(syscall.SIGINT)
	return g.wait()
}

// wait gives the exit code of a program that ends by itself.
func (g *gapless) wait() int {
	ended := make(chan struct{})
	go func() {
		_ = g.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-g.ctx.Done():
		_ = g.cmd.Process.Kill()
		<-ended
	}
	return g.cmd.ProcessState.ExitCode()
}

// stop ends the program and proves the file.
func (g *gapless) stop() {
	g.t.Helper()
	if code := g.interrupt(); code != 0 {
		g.t.Errorf("exit code %d", code)
	}
	g.verify()
}

// read opens the file beside the program.
func (g *gapless) read(f func(*store.Reader) error) error {
	r, err := store.OpenReader(g.ctx, g.db)
	if err != nil {
		return err
	}
	return errors.Join(f(r), r.Close())
}

// verify runs `gapless verify`.
func (g *gapless) verify() { verify(g.t, g.db) }

func verify(t *testing.T, db string) {
	t.Helper()
	c := exec.Command(binary, "verify", "--db", db)
	out, err := c.CombinedOutput()
	code := c.ProcessState.ExitCode()
	warned := code == 5 && strings.Contains(string(out), "stored although wrong, as the file says") // as with development nodes
	if code != 0 && !warned || !strings.Contains(string(out), "0 faults") {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// eventually waits until f has no error, and gives the time that it took.
func (g *gapless) eventually(f func() error) time.Duration {
	g.t.Helper()
	began := time.Now()
	for {
		err := f()
		switch {
		case err == nil:
			return time.Since(began)
		case g.ctx.Err() != nil:
			g.t.Fatalf("%v: %v", context.Cause(g.ctx), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// follows waits until the file has the node's chain up to its head, makes sure
// that it is equal to it, and gives the time that it took until the heads were
// the same.
func (g *gapless) follows(n *nodes.Node) time.Duration {
	g.t.Helper()
	took := g.eventually(func() error {
		return g.read(func(r *store.Reader) error { return atHead(g.ctx, r, n) })
	})
	if err := g.read(func(r *store.Reader) error { return equal(g.ctx, r, n) }); err != nil {
		g.t.Fatal(err)
	}
	return took
}

// says waits until the log has a text so many times.
func (g *gapless) says(text string, times int) {
	g.t.Helper()
	g.eventually(func() error {
		if n := strings.Count(g.log.String(), text); n < times {
			return fmt.Errorf("the log has %q %d times", text, n)
		}
		return nil
	})
}

// journal gives the journal's rows of a kind, or of all kinds.
func (g *gapless) journal(kind string) (found []store.JournalRow) {
	g.t.Helper()
	err := g.read(func(r *store.Reader) error {
		rows, err := r.JournalAfter(g.ctx, 0, 100_000)
		for _, row := range rows {
			if kind == "" || row.Kind == kind {
				found = append(found, row)
			}
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return found
}

// aside gives the files that were put aside.
func (g *gapless) aside() []string {
	g.t.Helper()
	names, err := filepath.Glob(filepath.Join(filepath.Dir(g.db), "gapless-*.db"))
	if err != nil {
		g.t.Fatal(err)
	}
	return names
}

func call(ctx context.Context, n *nodes.Node, into any, method string, params ...any) error {
	raw, err := nodes.Call(ctx, n.HTTP, method, params...)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// must calls the node and fails the test on an error.
func must(t *testing.T, n *nodes.Node, method string, params ...any) (result string) {
	t.Helper()
	raw, err := nodes.Call(t.Context(), n.HTTP, method, params...)
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(raw, &result) != nil {
		return string(raw)
	}
	return result
}
