// Package process_test tests the program as a process: what signals, other users
// and other processes do to it. The test binary is the program, see TestMain.
package process_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gapless/internal/api/rest"
	"gapless/internal/command"
	"gapless/internal/node/nodetest"
	"gapless/internal/store"
	"gapless/testdata"
)

// asProgram makes the test binary the program; asUser says under which user id.
const (
	asProgram = "GAPLESS_TEST_MAIN"
	asUser    = "GAPLESS_TEST_USER"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	if err := becomeUser(os.Getenv(asUser)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(profile(command.Process))
}

// A program is a gapless in a process of its own.
type program struct {
	t     testing.TB
	cmd   *exec.Cmd
	db    string
	out   *output
	url   string // of its page
	token string
	ended chan struct{} // closed when the process has ended
}

// An output is what the program has said.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// command prepares a process of the program.
func gapless(out io.Writer, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asProgram+"=yes"), env...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// follow starts gapless run and waits until it serves. It is killed at the end
// of the test if it still runs then.
func follow(t testing.TB, db, node string, more ...string) *program {
	t.Helper()
	out := &output{}
	args := append([]string{"run", "--db", db, "--rpc", node, "--listen", "127.0.0.1:0"}, more...)
	return serves(t, gapless(out, nil, args...), db, out)
}

// serves starts a process that is to serve, as follow does. What it says is in out,
// if anybody writes that there.
func serves(t testing.TB, cmd *exec.Cmd, db string, out *output) *program {
	t.Helper()
	p, err := start(t, cmd, db, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	p.eventually("the lock file tells the address", p.readNotice)
	return p
}

// start starts a process and notes when it has ended.
func start(t testing.TB, cmd *exec.Cmd, db string, out *output) (*program, error) {
	p := &program{t: t, cmd: cmd, db: db, out: out, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	return p, nil
}

// readNotice finds out where this process, not one before, serves.
func (p *program) readNotice() bool {
	var notice struct {
		ID      int    `json:"pid"`
		Address string `json:"address"`
		Token   string `json:"token"`
	}
	content, err := os.ReadFile(p.db + ".lock")
	if err != nil || json.Unmarshal(content, &notice) != nil || notice.ID != p.cmd.Process.Pid {
		return false
	}
	p.url, p.token = "http://"+notice.Address, notice.Token
	return true
}

// kill is kill -9.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// patience is when a program that does not end is given up. It is to take five
// seconds at most: the log of the test says how long it took.
const patience = time.Minute

// end waits for the end and gives the exit code.
func (p *program) end() int {
	p.t.Helper()
	begin := time.Now()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("it has not ended in %s:\n%s", patience, p.out)
	}
	p.t.Logf("ended after %s", time.Since(begin).Round(time.Millisecond))
	return p.cmd.ProcessState.ExitCode()
}

// eventually waits until something is so.
func (p *program) eventually(what string, so func() bool) {
	p.t.Helper()
	for range 6_000 {
		if so() {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("it has ended before: %s\n%s", what, p.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.t.Fatalf("in vain for: %s\n%s", what, p.out)
}

func (p *program) says(what string) {
	p.t.Helper()
	p.eventually("it says "+what, func() bool { return strings.Contains(p.out.String(), what) })
}

// status is what the program says of itself; nothing while it can't be asked.
func (p *program) status() (st rest.Status) {
	answer, err := http.Get(p.url + "/api/v1/status")
	if err != nil {
		return st
	}
	defer answer.Body.Close()
	_ = json.NewDecoder(answer.Body).Decode(&st) // then it is empty
	return st
}

// reaches waits until the program is past a number of blocks, of which none is
// missing.
func (p *program) reaches(next uint64) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("it is at block %d", next), func() bool {
		st := p.status()
		return st.Next >= next && st.Missing.Count == 0
	})
}

// isWhole checks the file's promises, that all below a number is stored, and
// that nothing is beside it.
func isWhole(t *testing.T, db string, next uint64) {
	t.Helper()
	isWholeBut(t, db, next, 0)
}

// isWholeBut is isWhole for a file in which some blocks are missing.
func isWholeBut(t *testing.T, db string, next, missing uint64) {
	t.Helper()
	if _, err := os.Stat(db + "-wal"); err == nil {
		t.Error("a -wal is left")
	}
	r, err := store.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := store.Checker{Fault: func(f store.Fault) { t.Errorf("fault: %s", f) }}
	done, err := c.Check(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if done.To+1 < next || done.Missing != missing {
		t.Errorf("it had told of all below block %d, and has blocks to %d with %d missing", next, done.To, done.Missing)
	}
}

var recording = testdata.Recording

// serve serves the recorded chain up to a head.
func serve(t *testing.T, head uint64) (*nodetest.Node, string) {
	t.Helper()
	n := nodetest.New(recording())
	n.Head = head
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	return n, server.URL
}

func newDB(t *testing.T) string { return filepath.Join(t.TempDir(), "chain.db") }

// tellEvents gives the highest block of the events that the program tells, until
// the stream ends.
func (p *program) tellEvents() (last func() uint64) {
	p.t.Helper()
	answer, err := http.Get(p.url + "/api/v1/events")
	if err != nil || answer.StatusCode != http.StatusOK {
		p.t.Fatal(err, answer)
	}
	var highest uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			var event struct {
				Last uint64 `json:"last_block"`
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &event) == nil {
				highest = max(highest, event.Last)
			}
		}
	}()
	return func() uint64 {
		<-ended
		return highest
	}
}

// exitOf runs a command to its end.
func exitOf(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	out := &output{}
	err := gapless(out, env, args...).Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	}
	return code, out.String()
}
