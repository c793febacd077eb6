//go:build unix

package process_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// A slowNode can be told to hold back its answers.
type slowNode struct {
	*nodetest.Node
	hang  atomic.Bool // no answer at all
	drip  atomic.Bool // an answer that never ends
	delay atomic.Int64
	held  atomic.Int64 // answers that are held back now
}

func (n *slowNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.held.Add(1)
	defer n.held.Add(-1)
	message, err := io.ReadAll(r.Body) // else nobody notices that the client has gone
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(message))
	switch {
	case n.hang.Load():
		<-r.Context().Done()
		return
	case n.drip.Load():
		piece := []byte(strings.Repeat(" ", 64<<10))
		for r.Context().Err() == nil {
			_, _ = w.Write(piece) // the client's loss
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
		return
	}
	time.Sleep(time.Duration(n.delay.Load()))
	n.Node.ServeHTTP(w, r)
}

func serveSlow(t *testing.T, head uint64) (*slowNode, string) {
	t.Helper()
	n := &slowNode{Node: nodetest.New(recording())}
	n.Head, n.NoWebSocket = head, true
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return n, server.URL
}

// The program ends within seconds, whatever it is about; what it has told of is
// there, and nothing is beside the file.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		about func(t *testing.T, p *program, n *slowNode)
	}{
		{"catching up", func(t *testing.T, p *program, n *slowNode) {
			n.delay.Store(int64(20 * time.Millisecond))
			n.Do(func(n *nodetest.Node) { n.Head = 1600 })
			p.reaches(300)
		}},
		{"the node hangs", func(t *testing.T, p *program, n *slowNode) {
			n.hang.Store(true)
			n.Do(func(n *nodetest.Node) { n.Head = 1600 })
			p.eventually("requests hang", func() bool { return n.held.Load() > 0 })
		}},
		{"an answer without end", func(t *testing.T, p *program, n *slowNode) {
			n.drip.Store(true)
			n.Do(func(n *nodetest.Node) { n.Head = 1600 })
			p.eventually("answers drip", func() bool { return n.held.Load() > 0 })
		}},
		{"the node is gone", func(t *testing.T, p *program, n *slowNode) {
			n.Do(func(n *nodetest.Node) { n.Down = true })
			p.says("waiting for the node")
		}},
		{"somebody subscribes over WebSocket", func(t *testing.T, p *program, n *slowNode) {
			c, _, err := websocket.Dial(t.Context(), p.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.CloseNow() }) // the other end has gone
			if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`)); err != nil {
				t.Fatal(err)
			}
			n.Do(func(n *nodetest.Node) { n.Head = 60 })
			for range 2 { // the answer, and a block
				if _, _, err := c.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			p.reaches(61)
		}},
		{"a call is passed to a node that hangs", func(t *testing.T, p *program, n *slowNode) {
			n.hang.Store(true)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				answer, err := http.Post(p.url, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice","params":[]}`))
				if err == nil {
					answer.Body.Close()
				}
			}()
			t.Cleanup(func() { <-ended })
			p.eventually("the call is under way", func() bool { return n.held.Load() > 1 })
		}},
		{"a block is missing", func(t *testing.T, p *program, n *slowNode) {
			n.Do(func(n *nodetest.Node) {
				n.Head, n.Faults = 60, map[uint64]*nodetest.Fault{60: {Kind: nodetest.RPCError}}
			})
			p.says("block is missing")
			n.Do(func(n *nodetest.Node) { n.Faults = nil })
			p.reaches(61)
		}},
	} {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(fmt.Sprintf("%s, %s", tt.name, s), func(t *testing.T) {
				t.Parallel()
				n, url := serveSlow(t, 50)
				p := follow(t, newDB(t), url, "--retry-base", "10ms")
				p.reaches(51)
				told := p.tellEvents()
				tt.about(t, p, n)
				next := p.status().Next
				p.signal(s)
				if code := p.end(); code != 0 {
					t.Errorf("exit %d:\n%s", code, p.out)
				}
				if !strings.Contains(p.out.String(), "msg=stopped") {
					t.Errorf("it does not say that it stopped:\n%s", p.out)
				}
				isWhole(t, p.db, max(next, told()+1))
			})
		}
	}
}

// A rotation that is under way is finished, or was not begun: both files are
// whole.
func TestTerminateWhileRotating(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			fake := nodetest.New(devchain.Build(devchain.Spec{Blocks: 40, Transactions: 1, Logs: 1}))
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			p := follow(t, newDB(t), server.URL)
			p.reaches(41)
			fake.Do(func(n *nodetest.Node) {
				n.Chain, n.Head = devchain.Build(devchain.Spec{Blocks: 20, Transactions: 1, Logs: 1, Salt: "again"}), 20
			})
			asides := func() []string {
				found, err := filepath.Glob(filepath.Join(filepath.Dir(p.db), "chain-*.db"))
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			switch i {
			case 0: // while it makes sure
				p.says("another chain")
			case 1:
				p.eventually("the file is put aside", func() bool { return len(asides()) > 0 })
			case 2:
				p.says("put aside")
			case 3:
				p.eventually("the new chain is indexed", func() bool { st := p.status(); return st.Next > 0 && st.Next < 22 })
			}
			p.signal(syscall.SIGTERM)
			if code := p.end(); code != 0 {
				t.Errorf("exit %d:\n%s", code, p.out)
			}
			for _, db := range asides() {
				isWhole(t, db, 41)
			}
			code, said := exitOf(t, nil, "run", "--db", p.db, "--rpc", server.URL, "--listen", "off", "--until", "latest")
			if code != 0 {
				t.Errorf("the next start: exit %d:\n%s", code, said)
			}
			isWhole(t, p.db, 21)
		})
	}
}

// The second Ctrl-C ends it at once, with a code that says so.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	p := follow(t, newDB(t), url)
	p.reaches(51)
	address := strings.TrimPrefix(p.url, "http://")
	slow, err := net.Dial("tcp", address) // a request that does not end holds up the shutdown
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /api/v1/retry HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", address, p.token)
	p.eventually("the request has begun", func() bool { return p.status().Ready }) // in a connection after it
	p.signal(os.Interrupt)
	p.eventually("the first one has come through", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for ended := false; !ended; { // the first one after it may still be taken for it
		_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
		select {
		case <-p.ended:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	if code := p.end(); code == 0 {
		t.Errorf("exit %d:\n%s", code, p.out)
	}
	if strings.Contains(p.out.String(), "msg=stopped") {
		t.Errorf("it stopped in order:\n%s", p.out)
	}
	if code, said := exitOf(t, nil, "verify", "--db", p.db); code != 0 {
		t.Errorf("verify: exit %d:\n%s", code, said)
	}
	if code, said := exitOf(t, nil, "run", "--db", p.db, "--rpc", url, "--listen", "off", "--until", "50"); code != 0 {
		t.Errorf("the next start: exit %d:\n%s", code, said)
	}
	isWhole(t, p.db, 51)
}

// Ctrl-C ends who waits for the other end of a pipe.
func TestInterruptedAtPipe(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 1600)
	db := newDB(t)
	if code, said := exitOf(t, nil, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "1600"); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	for _, tt := range []struct {
		name string
		args []string
		wait func(t *testing.T, in, out *os.File) // until it waits
	}{
		{"nobody reads", []string{"export", "--format", "jsonl", "--db", db}, func(t *testing.T, _, out *os.File) {
			if _, err := out.Read(make([]byte, 100)); err != nil {
				t.Error(err)
			}
		}},
		{"nobody writes", []string{"import", "-", "--db", newDB(t)}, func(t *testing.T, in, _ *os.File) {
			if _, err := in.Write(bytes.Repeat([]byte("{"), 1<<20)); err != nil { // more than a pipe holds
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inFor, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, outFor, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			said := new(output)
			cmd := gapless(outFor, nil, tt.args...)
			cmd.Stdin, cmd.Stderr = inFor, said
			p, err := start(t, cmd, "", said)
			if err != nil {
				t.Fatal(err)
			}
			inFor.Close()
			outFor.Close()
			t.Cleanup(p.kill)
			tt.wait(t, in, out)
			p.signal(os.Interrupt)
			if code := p.end(); code != 1 || !strings.Contains(said.String(), "stopped") {
				t.Errorf("exit %d: %s", code, said)
			}
		})
	}
}
