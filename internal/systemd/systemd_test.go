//go:build unix

package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listen is the manager's end of the socket.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// What is told arrives, each time as one datagram, whether the socket is a file
// or has an abstract name.
func TestTell(t *testing.T) {
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" { // the only system that has them
		names = append(names, fmt.Sprintf("@gapless-test-%d", os.Getpid()))
	}
	for _, name := range names {
		t.Run(name[:1], func(t *testing.T) {
			socket := listen(t, name)
			t.Setenv("NOTIFY_SOCKET", name)
			m, err := FromEnvironment()
			if err != nil {
				t.Fatal(err)
			}
			told := [][]string{{Ready, Status("block 7\nup to  date")}, {Alive}, {Stopping}}
			var got []string
			for _, states := range told {
				if err := m.Tell(states...); err != nil {
					t.Fatal(err)
				}
				datagram := make([]byte, 1000)
				n, err := socket.Read(datagram)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(datagram[:n]))
			}
			if diff := cmp.Diff([]string{"READY=1\nSTATUS=block 7 up to date", "WATCHDOG=1", "STOPPING=1"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A manager that is gone is an error, and nothing to wait for.
func TestTellNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	m, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Tell(Ready); err == nil {
		t.Error("told to nobody")
	}
}

func TestFromEnvironment(t *testing.T) {
	us := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		name                  string
		socket, patience, pid string
		listens               bool
		want                  time.Duration
		wrong                 bool
	}{
		{name: "none", patience: "5000000", pid: us},
		{name: "no watchdog", socket: "/run/notify", listens: true},
		{name: "a watchdog", socket: "/run/notify", patience: "180000000", pid: us, listens: true, want: 3 * time.Minute},
		{name: "a watchdog for whom it concerns", socket: "@notify", patience: "1", listens: true, want: time.Microsecond},
		{name: "the parent's watchdog", socket: "/run/notify", patience: "180000000", pid: us + "0", listens: true},
		{name: "a socket that is none", socket: "vsock:2:1234", wrong: true},
		{name: "no number", socket: "/run/notify", patience: "3min", wrong: true},
		{name: "zero", socket: "/run/notify", patience: "0", wrong: true},
		{name: "more than a duration holds", socket: "/run/notify", patience: "9223372036854776", wrong: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", tt.socket)
			t.Setenv("WATCHDOG_USEC", tt.patience)
			t.Setenv("WATCHDOG_PID", tt.pid)
			m, err := FromEnvironment()
			if (err != nil) != tt.wrong || (m != nil) != tt.listens {
				t.Fatalf("%+v, %v", m, err)
			}
			if m != nil && m.Patience() != tt.want {
				t.Errorf("patience is %s instead of %s", m.Patience(), tt.want)
			}
		})
	}
}
