//go:build unix

package process_test

import (
	"io"
	"net/http"
	"regexp"
	"syscall"
	"testing"
	"time"

	"gapless/internal/node/nodetest"
)

// A process that is suspended for longer than a request may take, with requests
// under way, goes on when it is woken: what was due meanwhile is done at once,
// and no block, nor the size of requests, is blamed for deadlines that passed.
func TestSuspended(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes more than the 10 s of a request")
	}
	n, url := serveSlow(t, 50)
	n.Do(func(n *nodetest.Node) { n.Faults = map[uint64]*nodetest.Fault{20: {Kind: nodetest.RPCError, Times: 3}} })
	p := follow(t, newDB(t), url, "--retry-base", "1m") // the retry is in 8 minutes
	p.eventually("a block is missing", func() bool { st := p.status(); return st.Next == 51 && st.Missing.Count == 1 })
	before := p.status().Endpoints[0].Batch
	n.delay.Store(int64(700 * time.Millisecond))
	n.Do(func(n *nodetest.Node) { n.Head = 500 })
	p.eventually("blocks are asked for", func() bool { return n.Count("eth_getBlockByNumber") > 60 && n.held.Load() > 0 })
	p.signal(syscall.SIGSTOP)
	time.Sleep(12 * time.Second) // of the machine's clock, which can't be virtual
	n.delay.Store(0)
	p.signal(syscall.SIGCONT)
	p.reaches(501)
	st := p.status()
	if st.Endpoints[0].Batch != before {
		t.Errorf("a request has %d calls, before %d", st.Endpoints[0].Batch, before)
	}
	answer, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	metrics, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`gapless_block_failures_total\{class="(\w+)"\} ([0-9]+)`).FindAllSubmatch(metrics, -1) {
		if class, count := string(m[1]), string(m[2]); count != map[bool]string{true: "1", false: "0"}[class == "block_error"] {
			t.Errorf("%s failures of class %s", count, class)
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		t.Errorf("exit %d:\n%s", code, p.out)
	}
	isWhole(t, p.db, 501)
	t.Logf("%s", p.out)
}
