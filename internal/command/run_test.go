package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gapless/internal/api/rest"
	"gapless/internal/node/nodetest"
	"gapless/internal/node/recorded"
	"gapless/internal/store"
)

// follow starts gapless run and waits until it serves; it gives its URL too.
func follow(t *testing.T, db, node string, more ...string) (*process, string) {
	t.Helper()
	p := begin(t, append([]string{"run", "--db", db, "--rpc", node, "--listen", "127.0.0.1:0"}, more...)...)
	var n notice
	eventually(t, "the lock file tells the address", func() (ok bool) {
		n, ok = readNotice(db)
		return ok
	})
	return p, "http://" + n.Address
}

// status is what a running process says of itself.
func status(t *testing.T, url string) (st rest.Status) {
	t.Helper()
	answer, err := http.Get(url + "/api/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	return st
}

// reaches waits until a process is at a block, with so many missing.
func reaches(t *testing.T, url string, next uint64, missing int) {
	t.Helper()
	eventually(t, "the process is at the block", func() bool {
		st := status(t, url)
		return st.Next == next && st.Missing.Count == missing
	})
}

// get gives the status code and body of a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var b strings.Builder
	if err := answer.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
	return answer.StatusCode, body
}

// --until stores all up to the block and nothing above; a further run goes on.
func TestUntil(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 200)
	db := newDB(t)
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "120")
	if _, err := os.Stat(db + "-wal"); err == nil {
		t.Error("a -wal is left")
	}
	if got := mustGapless(t, "status", "--db", db); !strings.Contains(got, "head      block 120 ") {
		t.Errorf("not at block 120:\n%s", got)
	}
	asked := n.AskedFor()
	for number := range asked {
		if number > 120 {
			t.Errorf("block %d was asked for", number)
		}
	}
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest")
	for number, times := range n.AskedFor() {
		if before := asked[number]; before > 0 && times > before {
			t.Errorf("block %d, which was there, was asked for %d times more", number, times-before)
		}
	}
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "201 numbers: 201 stored, none missing") {
		t.Errorf("not whole:\n%s", got)
	}
}

// A block that stays missing makes exit code 3, at once if it was skipped, and
// the next run brings it in.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 100)
	fail(n, allFail(40, 41))
	db := newDB(t)
	args := []string{"run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest", "--retry-base", "10ms"}
	code, _, stderr := gapless(t, append(args, "--wait", "50ms")...)
	if code != exitIncomplete || !strings.Contains(stderr, "2 blocks are still missing up to block 100") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, "skip", "40", "--reason", "lost", "--db", db)
	mustGapless(t, "skip", "41", "--reason", "lost", "--db", db)
	if code, _, stderr := gapless(t, args...); code != exitIncomplete { // though --wait is 10 minutes
		t.Errorf("exit %d: %s", code, stderr)
	}
	fail(n, nil)
	mustGapless(t, "retry", "all", "--db", db)
	mustGapless(t, args...)
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "101 stored, none missing") {
		t.Errorf("not whole:\n%s", got)
	}
}

// --from counts for a new file; the same flags go on with it later.
func TestFrom(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 100)
	db := newDB(t)
	args := []string{"run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest", "--from", "-10"}
	mustGapless(t, args...)
	n.Do(func(n *nodetest.Node) { n.Head = 150 })
	mustGapless(t, args...)
	if got := mustGapless(t, "verify", "--db", db); !strings.Contains(got, "checked block 90 to 150") {
		t.Errorf("not from block 90:\n%s", got)
	}
}

// What a running process tells, and what can be changed through it.
func TestRunningProcess(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 100)
	fail(n, allFail(40, 60))
	db := newDB(t)
	p, page := follow(t, db, url, "--retry-base", "1h")
	reaches(t, page, 101, 2)

	if got := mustGapless(t, "status", "--db", db); !regexp.MustCompile(`(?s)lag +none.*missing +2 blocks.*trouble +block 40: block_error.*node +127\.0\.0\.1#1 up.*process +\d+ at http://127`).MatchString(got) {
		t.Errorf("status:\n%s", got)
	}
	if got := mustGapless(t, "status", "--report", "--db", db); strings.Contains(got, "127.0.0.1") || strings.Contains(got, filepath.Dir(db)) {
		t.Errorf("the report tells too much:\n%s", got)
	}
	if code, body := get(t, page+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", url, "--listen", "off")
	if code != exitFailed || !strings.Contains(stderr, "another gapless has this file open") || !strings.Contains(stderr, page) {
		t.Errorf("a second process: exit %d: %s", code, stderr)
	}
	mustGapless(t, "verify", "--db", db)

	mustGapless(t, "skip", "60", "--reason", "lost", "--db", db)
	if st := status(t, page); st.Missing.Skipped != 1 {
		t.Errorf("%d blocks are skipped", st.Missing.Skipped)
	}
	if code, _, stderr := gapless(t, "skip", "61", "--reason", "lost", "--db", db); code != exitFailed || !strings.Contains(stderr, "block 61 is not missing") {
		t.Errorf("skip of what is there: exit %d: %s", code, stderr)
	}
	fail(n, nil)
	mustGapless(t, "retry", "all", "--db", db) // though the next retry is in hours
	reaches(t, page, 101, 0)
	n.Do(func(n *nodetest.Node) { n.Head = 110 })
	reaches(t, page, 111, 0)

	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if got := p.stderr.String(); strings.Count(got, "msg=stopped") != 1 || !strings.Contains(got, "next_block=111") {
		t.Errorf("it does not say where it stopped:\n%s", got)
	}
	left, err := os.ReadFile(db + ".lock")
	if want := fmt.Sprintf("{\"session_key\":%q}\n", sessionKey(db)); err != nil || string(left) != want || sessionKey(db) == "" {
		t.Errorf("the lock file says %q (%v), want %q", left, err, want)
	}
}

// The lock file is for its owner only.
func TestLockFileMode(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 10)
	db := newDB(t)
	if err := os.WriteFile(db+".lock", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	follow(t, db, url)
	info, err := os.Stat(db + ".lock")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

// A node that is down at the start is waited for; the page is there meanwhile.
func TestNodeDown(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	n.Do(func(n *nodetest.Node) { n.Down = true })
	p, page := follow(t, newDB(t), url)
	p.says("waiting for the node")
	if code, body := get(t, page+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "waiting for the node") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := get(t, page+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	if st := status(t, page); st.State != "waiting for the node" || st.Ready || st.Chain != nil {
		t.Errorf("status: %+v", st)
	}
	n.Do(func(n *nodetest.Node) { n.Down = false })
	reaches(t, page, 51, 0)
	eventually(t, "ready", func() bool { return status(t, page).Ready })

	n.Do(func(n *nodetest.Node) { n.Down = true })
	eventually(t, "not ready", func() bool { code, _ := get(t, page+"/readyz"); return code == http.StatusServiceUnavailable })
	n.Do(func(n *nodetest.Node) { n.Down, n.Head = false, 60 })
	reaches(t, page, 61, 0)
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

// Interrupted before the node ever answered.
func TestStopWhileWaiting(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	n.Do(func(n *nodetest.Node) { n.Down = true })
	p, _ := follow(t, newDB(t), url)
	p.says("waiting for the node")
	if code := p.stop(); code != exitDone || !strings.Contains(p.stderr.String(), "stopped before a node answered") {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
	p = begin(t, "run", "--db", newDB(t), "--rpc", url, "--listen", "off", "--until", "7")
	p.says("waiting for the node")
	if code := p.stop(); code != exitIncomplete {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}

// A node that refuses ends the first start, whatever it is that it refuses by.
func TestNodeRefuses(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	refuse := func(code int) func() string {
		return func() string {
			n.Do(func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: code} })
			return url + "/v2/verysecretkey"
		}
	}
	secure := httptest.NewTLSServer(n)
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		name, says string
		url        func() string
	}{
		{"401", "401", refuse(http.StatusUnauthorized)},
		{"402", "402", refuse(http.StatusPaymentRequired)},
		{"403", "403", refuse(http.StatusForbidden)},
		{"404", "404", refuse(http.StatusNotFound)},
		{"a certificate of nobody", "certificate", func() string { return secure.URL + "/verysecretkey" }},
		{"no TLS", "HTTPS", func() string { return "https" + url[len("http"):] + "/verysecretkey" }},
		{"no such host", "no such host", func() string { return "http://nowhere.invalid/verysecretkey" }},
	} {
		code, _, stderr := gapless(t, "run", "--db", newDB(t), "--rpc", tt.url(), "--listen", "off")
		if code != exitFailed || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: exit %d: %s", tt.name, code, stderr)
		}
	}
}

// A file that is there is served while the nodes refuse, and goes on when one does
// not; so does a first start for which a wait was given. It says what to check.
func TestRefusedForAWhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, check string
		code        int
		wait        string
	}{
		{"the key", "the key", http.StatusUnauthorized, ""},
		{"the path", "the path", http.StatusNotFound, ""},
		{"a first start", "the key", http.StatusForbidden, "2m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, url := serve(t, 40)
			n.Do(func(n *nodetest.Node) { n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: tt.code} })
			var more []string
			db := newDB(t)
			if tt.wait == "" {
				db = writeFile(t, 20)
			} else {
				more = []string{"--wait", tt.wait}
			}
			_, page := follow(t, db, url, more...)
			eventually(t, "it waits", func() bool { return strings.Contains(status(t, page).NotReady, "waiting for the node: ") })
			if why := status(t, page).NotReady; !strings.Contains(why, strconv.Itoa(tt.code)) || !strings.Contains(why, "check") || !strings.Contains(why, tt.check) {
				t.Errorf("not ready: %s", why)
			}
			n.Do(func(n *nodetest.Node) { n.Every = nil })
			reaches(t, page, 41, 0)
		})
	}
}

// A run that has an end, and a first start with a wait, give a node that refuses up.
func TestRefusedForTooLong(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 40)
	n.Do(func(n *nodetest.Node) {
		n.Every = &nodetest.Fault{Kind: nodetest.Status, Code: http.StatusUnauthorized}
	})
	for db, more := range map[string][]string{writeFile(t, 20): {"--until", "40"}, newDB(t): nil} {
		code, _, stderr := gapless(t, append([]string{"run", "--db", db, "--rpc", url, "--listen", "off", "--wait", "1s"}, more...)...)
		if code != exitFailed || !strings.Contains(stderr, "401") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	}
}

// A node that does not keep old blocks ends the first start, and says where a
// file would be whole.
func TestNodeWithoutHistory(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	n.Do(func(n *nodetest.Node) { n.Lowest = 23 })
	db := newDB(t)
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", url, "--listen", "off")
	if code != exitFailed || !strings.Contains(stderr, "--from 23") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--from", "23", "--until", "50")
	n.Do(func(n *nodetest.Node) { n.Lowest = 40 }) // a file that is there goes on
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "50")
}

// A long first sync says what is to go.
func TestEstimate(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 1600)
	p, _ := follow(t, newDB(t), url, "--rps", "100")
	p.says(`msg="to go" blocks=`)
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(p.stderr.String(), "msg=stopped next_block=") {
		t.Errorf("it does not say where it stopped:\n%s", &p.stderr)
	}
}

// Another chain than the file's is refused, and the file stays as it is.
func TestAnotherChain(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	db := newDB(t)
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "20")
	other := nodetest.New(&recorded.Chain{ChainID: 5, Client: "Geth", Blocks: recording().Blocks})
	server := httptest.NewServer(other)
	defer server.Close()
	code, _, stderr := gapless(t, "run", "--db", db, "--rpc", server.URL, "--listen", "off")
	if code != exitFailed || !strings.Contains(stderr, "another chain: id 5, not") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "30")
}

// An address that is taken is said to be.
func TestAddressTaken(t *testing.T) {
	t.Parallel()
	_, url := serve(t, 50)
	code, _, stderr := gapless(t, "run", "--db", newDB(t), "--rpc", url, "--listen", strings.TrimPrefix(url, "http://"))
	if code != exitFailed || !strings.Contains(stderr, "choose another address with --listen") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// Every metric of gapless's own, by name.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	n, url := serve(t, 50)
	fail(n, allFail(30))
	_, page := follow(t, newDB(t), url, "--daily-calls", "2000000000")
	reaches(t, page, 51, 1)
	_, body := get(t, page+"/metrics")
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^# (?:HELP|TYPE) (gapless_.*)$`).FindAllStringSubmatch(body, -1) {
		lines = append(lines, m[1])
	}
	slices.Sort(lines)
	golden(t, "metrics", strings.Join(lines, "\n")+"\n")
	for _, name := range []string{"go_goroutines", "gapless_head_block 50", "gapless_chain_head_block 50", "gapless_missing_blocks 1"} {
		if !strings.Contains(body, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
}

// The demo ends with a whole file and says what was proved.
func TestDemo(t *testing.T) {
	t.Parallel()
	got := mustGapless(t, "demo", "--once", "--listen", "127.0.0.1:0")
	for _, part := range []string{"80 gaps appeared, and 80 healed", "1,601 numbers: 1,601 stored, none missing", "\n0 faults\n", " missing, next retry "} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
}

// Without --once the demo serves until it is interrupted, and that is no
// failure.
func TestDemoStays(t *testing.T) {
	t.Parallel()
	p := begin(t, "demo", "--listen", "127.0.0.1:0")
	p.says("Look around until Ctrl-C")
	url := regexp.MustCompile(`page  (http://\S+)`).FindStringSubmatch(p.stdout.String())[1]
	if code, _ := get(t, url+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d", code)
	}
	if code := p.stop(); code != exitDone {
		t.Errorf("exit %d: %s", code, &p.stderr)
	}
}

// A file that is made with --until has what the node said is final at the end.
func TestUntilKeepsFinality(t *testing.T) {
	n, url := serve(t, 40)
	n.Do(func(n *nodetest.Node) { n.Tags = map[string]uint64{"finalized": 30, "safe": 35} })
	db := newDB(t)
	mustGapless(t, "run", "--db", db, "--rpc", url, "--listen", "off", "--until", "latest")
	r, err := store.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	finalized, safe, err := r.Finality(t.Context())
	if err != nil || finalized == nil || safe == nil || finalized.Number != 30 || safe.Number != 35 {
		t.Errorf("finalized %v, safe %v, %v", finalized, safe, err)
	}
}
