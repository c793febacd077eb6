//go:build unix

package process_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gapless/internal/node/nodetest"
)

// A supervisor does with the program what systemd does by our unit: Type=notify,
// WatchdogSec=, Restart=on-failure and IgnoreSIGPIPE= (systemd.service(5),
// systemd.exec(5)).
type supervisor struct {
	t      *testing.T
	db     string
	args   []string
	env    []string
	socket *net.UnixConn
	heard  output
	fed    chan struct{} // the program has said that it is ready, or alive
	over   chan struct{} // closed when the test is

	starts atomic.Int32
	now    atomic.Pointer[program]
	log    atomic.Pointer[os.File] // where the log of now is read
	work   sync.WaitGroup
}

const (
	watchdogTime = 5 * time.Second
	abortTime    = time.Second
	restartTime  = 100 * time.Millisecond
)

func supervise(t *testing.T, db, node string) *supervisor {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{
		t: t, db: db, socket: socket, fed: make(chan struct{}, 1), over: make(chan struct{}),
		args: []string{"run", "--db", db, "--rpc", node, "--listen", "127.0.0.1:0", "--log-level", "debug"},
		env:  []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=" + strconv.FormatInt(watchdogTime.Microseconds(), 10)},
	}
	s.work.Go(s.listen)
	s.work.Go(s.loop)
	t.Cleanup(func() {
		close(s.over)
		if p := s.now.Load(); p != nil {
			p.kill()
		}
		socket.Close()
		s.work.Wait()
	})
	return s
}

// listen hears what the program says over its socket.
func (s *supervisor) listen() {
	for datagram := make([]byte, 1000); ; {
		n, err := s.socket.Read(datagram)
		if err != nil {
			return // it was closed
		}
		_, _ = s.heard.Write(append(datagram[:n:n], '\n')) // never fails
		if said := string(datagram[:n]); strings.Contains(said, "READY=1") || strings.Contains(said, "WATCHDOG=1") {
			select {
			case s.fed <- struct{}{}:
			default:
			}
		}
	}
}

// loop starts the program, and again whenever it has failed.
func (s *supervisor) loop() {
	for {
		p, err := s.start()
		if err != nil {
			s.t.Error(err)
			return
		}
		if !s.guard(p) {
			return
		}
		select {
		case <-s.over:
			return
		case <-time.After(restartTime):
		}
	}
}

// start starts the program with SIGPIPE ignored, as a shell can have it.
func (s *supervisor) start() (*program, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := gapless(in, s.env, s.args...)
	cmd.Args = append([]string{"sh", "-c", `trap "" PIPE; exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	p, err := start(s.t, cmd, s.db, &output{})
	if err != nil {
		return nil, err
	}
	s.work.Go(func() {
		_, _ = io.Copy(p.out, out) // until the end of either
		out.Close()
	})
	in.Close()
	s.starts.Add(1)
	s.log.Store(out)
	s.now.Store(p)
	return p, nil
}

// guard waits for the end of a process, which it brings about if the watchdog is
// not fed, and reports whether that was a failure.
func (s *supervisor) guard(p *program) bool {
	hungry := time.NewTimer(patience) // the watchdog begins when it is ready
	defer hungry.Stop()
	for {
		select {
		case <-p.ended:
			return !isClean(p.cmd.ProcessState.Sys().(syscall.WaitStatus))
		case <-s.fed:
			hungry.Reset(watchdogTime)
		case <-hungry.C:
			_ = p.cmd.Process.Signal(syscall.SIGABRT) // it may have ended
			select {
			case <-p.ended:
			case <-time.After(abortTime):
				p.kill()
			}
			return true
		}
	}
}

// isClean is for Restart=on-failure: some signals are no failure.
func isClean(w syscall.WaitStatus) bool {
	if !w.Signaled() {
		return w.ExitStatus() == 0
	}
	switch w.Signal() {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE:
		return true
	}
	return false
}

// ready waits until the program has been started a number of times, and serves.
func (s *supervisor) ready(starts int32) *program {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for s.starts.Load() < starts {
		if time.Now().After(deadline) {
			s.t.Fatalf("it was started %d times, want %d:\n%s", s.starts.Load(), starts, s.now.Load().out)
		}
		time.Sleep(10 * time.Millisecond)
	}
	p := s.now.Load()
	p.eventually("the lock file tells the address", p.readNotice)
	return p
}

// Under a supervisor the program outlives its log, and comes back after a kill and
// when it hangs; at each start it goes on where it was. After SIGTERM it stays away.
func TestSupervised(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 20)
	grow := func(head uint64) { n.Do(func(n *nodetest.Node) { n.Head = head }) }
	s := supervise(t, newDB(t), url)
	p := s.ready(1)
	p.reaches(21)

	s.log.Load().Close() // the journal is started again
	grow(200)
	p.reaches(201)

	p.kill()
	grow(300)
	p = s.ready(2)
	p.reaches(301)

	p.signal(syscall.SIGSTOP) // as one that hangs
	grow(400)
	p = s.ready(3)
	p.reaches(401)

	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit %d: %s\n%s", code, p.cmd.ProcessState, p.out)
	}
	time.Sleep(5 * restartTime)
	if starts := s.starts.Load(); starts != 3 {
		t.Errorf("%d starts", starts)
	}
	if heard := s.heard.String(); strings.Count(heard, "READY=1\n") != 3 || strings.Count(heard, "STOPPING=1\n") != 1 {
		t.Errorf("heard\n%s", heard)
	}
	isWhole(t, s.db, 401)
}
