//go:build e2e && unix

// Package e2e runs the program against real nodes, which its tests install and
// start by themselves: `go test -tags e2e ./internal/e2e/...`.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// A gapless is a running program with its file.
type gapless struct {
	t    *testing.T
	db   string
	args []string
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

// run starts `gapless run` for a node; it is killed at the end of the test.
func run(t *testing.T, url string, args ...string) *gapless {
	g := &gapless{
		t: t, db: filepath.Join(t.TempDir(), "gapless.db"),
		args: append([]string{"--rpc", url, "--retry-base", "200ms", "--listen", "off"}, args...),
	}
	g.start()
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			t.Logf("log of gapless:\n%s", tail(g.log.Bytes()))
		}
	})
	return g
}

func tail(b []byte) []byte { return b[max(0, len(b)-8000):] }

func (g *gapless) start() {
	g.t.Helper()
	if g.log == nil {
		g.log = new(bytes.Buffer)
	}
	g.cmd = exec.Command(binary, append([]string{"run", "--db", g.db}, g.args...)...)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
}

// kill ends the program as a power cut does.
func (g *gapless) kill() {
	if g.cmd.ProcessState == nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	}
}

// interrupt ends the program as Ctrl-C does, and gives its exit code.
func (g *gapless) interrupt() int {
	_ = g.cmd.Process.Signal(syscall.SIGINT)
	return g.wait()
}

func (g *gapless) wait() int {
	_ = g.cmd.Wait()
	return g.cmd.ProcessState.ExitCode()
}

// read opens the file beside the program.
func (g *gapless) read(f func(*store.Reader) error) error {
	r, err := store.OpenReader(g.t.Context(), g.db)
	if err != nil {
		return err
	}
	return errors.Join(f(r), r.Close())
}

// verify runs `gapless verify`.
func (g *gapless) verify() {
	g.t.Helper()
	out, err := exec.Command(binary, "verify", "--db", g.db).CombinedOutput()
	if err != nil {
		g.t.Fatalf("verify: %v\n%s", err, out)
	}
	g.t.Logf("%s", out)
}

// eventually waits until f has no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// follows waits until the file has the node's chain up to its head, and that it
// is equal to it.
func (g *gapless) follows(n *nodes.Node) {
	g.t.Helper()
	eventually(g.t, func() error { return g.read(func(r *store.Reader) error { return atHead(g.t.Context(), r, n) }) })
	if err := g.read(func(r *store.Reader) error { return equal(g.t.Context(), r, n) }); err != nil {
		g.t.Fatal(err)
	}
}

// atHead says why the file does not end with the node's head, if so.
func atHead(ctx context.Context, r *store.Reader, n *nodes.Node) error {
	var head struct{ Number, Hash string }
	if err := call(ctx, n, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return err
	}
	latest, err := r.Latest(ctx)
	if err != nil {
		return err
	}
	if latest == nil || latest.Hash.Hex() != head.Hash {
		return fmt.Errorf("the file ends with %+v, the node with %+v", latest, head)
	}
	missing, err := r.FailedFrom(ctx, 0, 1)
	if len(missing) > 0 {
		return fmt.Errorf("missing: %+v", missing)
	}
	return err
}

// equal compares every stored block with the node's answers.
func equal(ctx context.Context, r *store.Reader, n *nodes.Node) error {
	next, err := r.Next(ctx)
	if err != nil {
		return err
	}
	id, err := r.Identity(ctx)
	if err != nil {
		return err
	}
	for number := id.Start; number < next; number++ {
		b, err := r.Block(ctx, number)
		if err != nil {
			return err
		}
		var block any
		if err := call(ctx, n, &block, "eth_getBlockByNumber", fmt.Sprintf("%#x", number), true); err != nil {
			return err
		}
		receipts := []any{}
		for _, tx := range b.Transactions {
			var receipt any
			if err := call(ctx, n, &receipt, "eth_getTransactionReceipt", tx.Hash); err != nil {
				return err
			}
			receipts = append(receipts, receipt)
		}
		if err := sameJSON(block, b.AppendBlock(nil, true)); err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		if err := sameJSON(receipts, b.AppendReceipts(nil)); err != nil {
			return fmt.Errorf("receipts of block %d: %w", number, err)
		}
	}
	return nil
}

func sameJSON(want any, ours []byte) error {
	var got any
	if err := json.Unmarshal(ours, &got); err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-node +file):\n%s", diff)
	}
	return nil
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
