//go:build unix

package command

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gapless/internal/node/nodetest"
)

// Behind a socket the process can be asked for all that it can be asked for by a port,
// also after one was killed that left its socket behind.
func TestSocket(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 30)
	fail(n, allFail(10))
	db, dir := newDB(t), t.TempDir()
	path := filepath.Join(dir, "http.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	p := begin(t, "run", "--db", db, "--rpc", url, "--listen", "unix:"+path, "--base-path", "/explorer", "--retry-base", "1h")
	eventually(t, "block 10 is missing", func() bool {
		_, out, _ := gapless(t, "status", "--db", db)
		return strings.Contains(out, "unix:"+path) && strings.Contains(out, "missing   1 block")
	})
	if got := mustGapless(t, "status", "--db", db, "--login"); !strings.HasPrefix(got, "/explorer/login?token=") {
		t.Errorf("login is %q", got)
	}
	n.Do(func(n *nodetest.Node) { n.Faults = nil })
	mustGapless(t, "retry", "--db", db, "10")
	eventually(t, "block 10 is there", func() bool {
		code, _, _ := gapless(t, "gaps", "--db", db)
		return code == 0
	})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the socket is %v, %v", info, err)
	}

	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{path: "another process listens at " + path, plain: "is no socket"} {
		if code, _, said := gapless(t, "run", "--db", newDB(t), "--rpc", url, "--listen", "unix:"+at); code != exitFailed || !strings.Contains(said, want) {
			t.Errorf("at %s: exit %d, %s", at, code, said)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d: %s", code, p.stderr.String())
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}
