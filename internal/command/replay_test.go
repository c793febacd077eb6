package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"gapless/internal/chain"
)

// A replayed is a running replay.
type replayed struct {
	*process
	url string
}

// startReplay starts a replay on a free port, and waits until it answers.
func startReplay(t *testing.T, args ...string) *replayed {
	t.Helper()
	p := begin(t, append([]string{"replay", "--listen", "127.0.0.1:0"}, args...)...)
	r := &replayed{process: p}
	eventually(t, "the URL", func() bool {
		line, _, ok := strings.Cut(p.stdout.String(), "\n")
		r.url = line
		select {
		case code := <-p.ended:
			p.code = &code
			t.Fatalf("exit code %d: %s", code, p.stderr.String())
		default:
		}
		return ok
	})
	return r
}

// call makes a call and gives the result, or the error's text.
func (r *replayed) call(method string, params ...any) string {
	r.t.Helper()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := http.Post(r.url, "application/json", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	var a struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil {
		r.t.Fatal(err)
	}
	if a.Error != nil {
		return a.Error.Message
	}
	return string(a.Result)
}

// beside lists what is in the folder of a file.
func beside(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "-wal") && !strings.HasSuffix(e.Name(), "-shm") { // SQLite's own
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}

// Twenty answer from one file in a folder that can't be written, and leave
// nothing.
func TestReplay(t *testing.T) {
	path := writeFile(t, 60)
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	before := beside(t, path)
	folder := filepath.Dir(path)
	if err := os.Chmod(folder, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o755) })
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			r := startReplay(t, path)
			if got := r.call("eth_blockNumber"); got != `"0x3c"` {
				t.Errorf("eth_blockNumber: %s", got)
			}
			if got := r.call("eth_call", map[string]any{}); !strings.Contains(got, "no state") {
				t.Errorf("eth_call: %s", got)
			}
			if code := r.stop(); code != 0 {
				t.Errorf("exit code %d: %s", code, r.stderr.String())
			}
		})
	}
	group.Wait()
	if after := beside(t, path); after != before {
		t.Errorf("beside the file are now %s, before %s", after, before)
	}
}

// It goes by its own names and those that it is told.
func TestReplayHost(t *testing.T) {
	r := startReplay(t, writeFile(t, 5), "--host", "one.example", "--host", "two.example")
	for host, want := range map[string]int{
		"127.0.0.1": 200, "one.example:8545": 200, "two.example": 200, "evil.example": http.StatusMisdirectedRequest,
	} {
		call, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`))
		if err != nil {
			t.Fatal(err)
		}
		call.Host = host
		call.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(call)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != want {
			t.Errorf("as %s: HTTP %d, want %d", host, answer.StatusCode, want)
		}
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

func TestReplayRefuses(t *testing.T) {
	whole := writeFile(t, 10)
	gappy := writeFile(t, 10, &chain.Failure{Number: 5, Class: chain.BlockError, Message: "lost", Tries: 3, At: time.Now(), NextAt: time.Now()})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{}, exitUsage, "replay takes a file"},
		{[]string{whole, gappy}, exitUsage, "replay takes a file"},
		{[]string{"--", "true"}, exitUsage, "replay takes a file"},
		{[]string{"none.db"}, exitFailed, "there is no file none.db"},
		{[]string{gappy}, exitIncomplete, "blocks are missing from chain.db, the first of them is 5"},
		{[]string{whole, "--listen", taken.Addr().String()}, exitFailed, "is taken"},
		{[]string{whole, "--listen", "off"}, exitUsage, "--listen is off"},
		{[]string{whole, "--pace", "soon"}, exitUsage, "--pace"},
		{[]string{whole, "--pace", "-1s"}, exitUsage, "--pace"},
		{[]string{whole, "--start", "3"}, exitUsage, "--start"},
		{[]string{whole, "--pace", "manual", "--start", "11"}, exitUsage, "--start is 11, but chain.db has block 0 to 10"},
		{[]string{whole, "--pace", "manual", "--start", "x"}, exitUsage, "--start"},
		{[]string{whole, "--listen", "127.0.0.1:0", "--", "no-such-command"}, exitFailed, "no-such-command"},
	} {
		code, _, stderr := gapless(t, append([]string{"replay"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("replay %s: exit %d, %s", tt.args, code, stderr)
		}
	}
	r := startReplay(t, gappy, "--allow-gaps")
	if got := r.call("eth_getBlockByNumber", "0x5", false); got != "block 5 is missing from the index" {
		t.Error(got)
	}
}

// With manual pace each evm_mine shows a block, and those who listen hear of it.
func TestReplayManual(t *testing.T) {
	r := startReplay(t, writeFile(t, 40), "--pace", "manual", "--start", "38")
	socket, err := rpc.Dial("ws" + strings.TrimPrefix(r.url, "http"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	heads := make(chan struct{ Number hexutil.Uint64 }, 10)
	if _, err := socket.EthSubscribe(t.Context(), heads, "newHeads"); err != nil {
		t.Fatal(err)
	}
	filter := r.call("eth_newBlockFilter")
	for _, want := range []uint64{39, 40} {
		if got := r.call("evm_mine"); got != `"0x0"` {
			t.Fatal(got)
		}
		if head := <-heads; uint64(head.Number) != want {
			t.Errorf("head %d, want %d", head.Number, want)
		}
		if got := r.call("eth_blockNumber"); got != fmt.Sprintf(`"%#x"`, want) {
			t.Error(got)
		}
		changes := r.call("eth_getFilterChanges", strings.Trim(filter, `"`))
		if want := fmt.Sprintf(`["%s"]`, recording().Block(want).Hash); changes != want {
			t.Errorf("changes %s, want %s", changes, want)
		}
	}
	if got := r.call("evm_mine"); got != "the file ends with block 40" {
		t.Error(got)
	}
}

// With a pace the head grows by itself, up to the last block.
func TestReplayPace(t *testing.T) {
	r := startReplay(t, writeFile(t, 30), "--pace", "1ms")
	eventually(t, "the last block", func() bool { return r.call("eth_blockNumber") == `"0x1e"` })
	if got := r.call("evm_mine"); !strings.Contains(got, "does not exist") {
		t.Error(got)
	}
}

// A command is given the URL, and its exit code is that of replay.
func TestReplayCommand(t *testing.T) {
	path := writeFile(t, 10)
	for _, tt := range []struct {
		script string
		code   int
	}{
		{`test -n "$ETH_RPC_URL" && echo "url $ETH_RPC_URL"`, 0},
		{`exit 7`, 7},
		{`kill -9 $$`, 137},
	} {
		code, stdout, stderr := gapless(t, "replay", path, "--listen", "127.0.0.1:0", "--", "sh", "-c", tt.script)
		url, rest, _ := strings.Cut(stdout, "\n")
		if code != tt.code || stderr != "" {
			t.Errorf("%s: exit %d\n%s", tt.script, code, stderr)
		}
		if tt.code == 0 && rest != "url "+url+"\n" {
			t.Errorf("%q", stdout)
		}
	}
}

// A command that is to end ends before replay does.
func TestReplayCommandStops(t *testing.T) {
	p := begin(t, "replay", writeFile(t, 10), "--listen", "127.0.0.1:0", "--", "sh", "-c", `trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.01; done`)
	p.says("ready")
	if code := p.stop(); code != 5 || !strings.Contains(p.stdout.String(), "told") {
		t.Errorf("exit %d, %s", code, p.stdout.String())
	}
}

// run answers too, on its page, also what only the node knows.
func TestRunAnswersCalls(t *testing.T) {
	_, node := serve(t, 20)
	db := newDB(t)
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{nil, "the index holds no state, which eth_call needs; ask a node"},
		{[]string{"--proxy"}, "the method eth_call does not exist/is not available"},
	} {
		p := begin(t, append([]string{"run", "--rpc", node, "--db", db, "--listen", "127.0.0.1:0"}, tt.flags...)...)
		r := &replayed{process: p}
		eventually(t, "the page", func() bool {
			_, after, ok := strings.Cut(p.stderr.String(), "page=")
			r.url, _, _ = strings.Cut(after, " ")
			return ok
		})
		eventually(t, "block 20", func() bool { return r.call("eth_blockNumber") == `"0x14"` })
		if got := r.call("eth_call", map[string]any{}); !strings.Contains(got, tt.want) {
			t.Errorf("run %s: eth_call: %s", tt.flags, got)
		}
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}
