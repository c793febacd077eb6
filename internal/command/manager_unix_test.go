//go:build unix

package command

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What a service manager hears over its socket of a run from start to end.
func TestManagerHears(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var heard text
	var ear sync.WaitGroup
	ear.Go(func() {
		for datagram := make([]byte, 1000); ; {
			n, err := socket.Read(datagram)
			if err != nil {
				return // it was closed
			}
			_, _ = heard.Write(append(datagram[:n], '\n')) // never fails
		}
	})
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "300000")
	t.Setenv("WATCHDOG_PID", "")
	_, node := serve(t, 20)
	db := newDB(t)
	p, page := follow(t, db, node)
	reaches(t, page, 21, 0)
	mustGapless(t, "status", "--ready", "--db", db)
	eventually(t, "the manager hears that it is up to date", func() bool {
		return strings.Contains(heard.String(), "WATCHDOG=1\nSTATUS=block 20, up to date · none missing\n")
	})
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d: %s", code, p.stderr.String())
	}
	eventually(t, "the manager hears of the end", func() bool { return strings.HasSuffix(heard.String(), "STOPPING=1\nSTATUS=stopping\n") })
	if err := socket.Close(); err != nil {
		t.Error(err)
	}
	ear.Wait()
	if got := heard.String(); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("heard\n%s", got)
	}
}
