//go:build unix

package nodes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	readyTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// A Node is a node that runs, or ran until Stop or Kill. Its methods are for
// one goroutine.
type Node struct {
	HTTP string // URL of its JSON-RPC over HTTP
	WS   string // URL of its JSON-RPC over WebSocket

	t    TB
	prog program
	args []string // with the ports chosen
	log  string   // path; all lives of the process
	proc *process // nil when not running
}

// A program says how to run a node.
type program struct {
	name, path, dir string
	env             []string
	args            func(ports) []string
	ports           func() (ports, error)
}

// start runs the program on free ports until it answers. Somebody else may
// take a port before the program does; then other ports are tried.
func start(t TB, prog program) *Node {
	t.Helper()
	n := &Node{t: t, prog: prog, log: filepath.Join(prog.dir, "log")}
	t.Cleanup(n.end)
	var err error
	for range 3 {
		var p ports
		if p, err = prog.ports(); err != nil {
			continue
		}
		n.HTTP, n.WS, n.args = "http://127.0.0.1:"+p.http, "ws://127.0.0.1:"+p.ws, prog.args(p)
		if err = n.run(); err == nil {
			return n
		}
	}
	t.Fatalf("nodes: %s: %v\n%s", prog.name, err, tail(n.Log()))
	return nil
}

// Stop asks the node to end and waits until it has. It fails the test if the
// node does not.
func (n *Node) Stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
}

// Kill ends the node at once, as a crash would.
func (n *Node) Kill() {
	n.t.Helper()
	n.signal(syscall.SIGKILL)
}

// Suspend keeps the node from running until Resume, as the sleep of a machine
// does. Connections stay open, and nothing is answered.
func (n *Node) Suspend() { n.tell(syscall.SIGSTOP) }

// Resume ends what Suspend began.
func (n *Node) Resume() { n.tell(syscall.SIGCONT) }

func (n *Node) tell(sig syscall.Signal) {
	n.t.Helper()
	if err := syscall.Kill(-n.proc.cmd.Process.Pid, sig); err != nil {
		n.t.Fatalf("nodes: %s: %v: %v", n.prog.name, sig, err)
	}
}

// Restart stops the node if it runs, and starts it on the same ports and
// folder. It returns when the node answers.
func (n *Node) Restart() {
	n.t.Helper()
	n.Stop()
	if err := n.run(); err != nil {
		n.t.Fatalf("nodes: restart %s: %v", n.prog.name, err)
	}
}

// Wipe stops the node, removes all that it has kept and starts it on the same
// ports: with another chain, if it keeps one. It returns when the node answers.
func (n *Node) Wipe() {
	n.t.Helper()
	n.Stop()
	for _, name := range []string{"geth", "keystore"} {
		if err := os.RemoveAll(filepath.Join(n.prog.dir, name)); err != nil {
			n.t.Fatalf("nodes: wipe %s: %v", n.prog.name, err)
		}
	}
	n.Restart()
}

// Log returns what the node wrote to stdout and stderr, over all its lives.
func (n *Node) Log() string {
	b, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// run starts the process and waits until it answers.
func (n *Node) run() error {
	log, err := os.OpenFile(n.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own

	cmd := exec.Command(n.prog.path, n.args...)
	cmd.Dir = n.prog.dir
	// Its home is the test's folder, so that nothing is read from or left in the user's.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.prog.dir}, n.prog.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = sysProcAttr()
	if n.proc, err = startProcess(cmd); err != nil {
		n.proc = nil
		return err
	}
	if err := n.ready(); err != nil {
		n.signal(syscall.SIGKILL)
		return err
	}
	return nil
}

func (n *Node) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := Call(ctx, n.HTTP, "eth_chainId")
		if err == nil {
			return nil
		}
		select {
		case <-n.proc.exited:
			return fmt.Errorf("exited before it answered: %w", n.proc.err)
		case <-ctx.Done():
			return fmt.Errorf("no answer in %v: %w", readyTimeout, err)
		case <-tick.C:
		}
	}
}

// signal sends sig to the process and what it started, and waits for its end.
func (n *Node) signal(sig syscall.Signal) {
	if n.proc == nil {
		return
	}
	p := n.proc
	n.proc = nil
	select {
	case <-p.exited: // by itself; its number may be another's by now
		n.t.Logf("%s had ended: %v", n.prog.name, p.err)
		return
	default:
	}
	syscall.Kill(-p.cmd.Process.Pid, sig) // fails only if it has just ended
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		n.t.Fatalf("nodes: %s did not end within %v of %v", n.prog.name, stopTimeout, sig)
	}
}

// end is the test's clean-up.
func (n *Node) end() {
	n.Kill()
	if n.t.Failed() {
		n.t.Logf("log of %s:\n%s", n.prog.name, tail(n.Log()))
	}
}

// A process is a child that ends when this process does.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has
	err    error         // how it ended; read it after exited
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux kills the child when the thread that started it ends, so the
		// thread has to last as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	return p, <-started
}

// ports are the ports of a node, as text; ws is http where it has only one.
type ports struct{ http, ws, auth string }

func onePort() (ports, error) {
	p, err := freePort()
	return ports{http: p, ws: p}, err
}

func gethPorts() (p ports, err error) {
	for _, port := range []*string{&p.http, &p.ws, &p.auth} {
		if *port, err = freePort(); err != nil {
			return ports{}, err
		}
	}
	return p, nil
}

// freePort looks below the ports that the system gives to outgoing
// connections, so that none of those takes it while the node is down.
func freePort() (string, error) {
	var err error
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, l.Close()
		}
	}
	return "", fmt.Errorf("no free port: %w", err)
}
