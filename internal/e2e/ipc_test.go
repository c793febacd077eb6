//go:build e2e && unix

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"gapless/internal/e2e/nodes"
)

// A real geth is followed over its IPC socket: by its path, and where it puts it by
// itself, as long as nothing answers at the usual address.
func TestIPC(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "ipc") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "geth.ipc")
	n := nodes.StartGethDev(t, 1, "--ipcpath", socket)
	transfers(t, n, 3, 1)
	for _, url := range []string{socket, "ipc://" + socket} {
		g := run(t, url)
		g.follows(n)
		g.stop()
	}
	t.Run("found", func(t *testing.T) {
		if n, err := nodes.Call(t.Context(), "http://127.0.0.1:8545", "eth_chainId"); err == nil {
			t.Skipf("NOT TESTED: something answers at the usual address: %s", n)
		}
		g := run(t, n.HTTP, "--until", "2")
		if code := g.wait(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		g.args = []string{"--listen", "off"}
		g.env = []string{"TMPDIR=" + dir}
		g.start()
		g.follows(n)
		g.says("but at a socket", 1)
		g.stop()
	})
}
