//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"gapless/internal/e2e/nodes"
)

var (
	soakFor  = flag.Duration("soak", 40*time.Second, "how long TestSoak goes on")
	soakTabs = flag.Int("tabs", 1, "of a browser that look at a page meanwhile")
)

// Two programs follow a node that makes a block a second, for hours if they are
// given. The node is stopped and suspended at random, and killed once, by which
// it loses its chain; one program is suspended, the other killed, and somebody
// edits the file of either. What the first one takes is logged as a table; the tabs
// of a browser are as new as it at the end.
func TestSoak(t *testing.T) {
	rounds := rand.New(rand.NewPCG(*seed, 0))
	n := nodes.StartGethDev(t, 1)
	limit := *soakFor + 3*time.Minute
	steady := runFor(t, limit, n.WS, "--listen", anyPort)
	mortal := runFor(t, limit, n.WS)
	base, _ := steady.loginPage()
	b := startBrowser(t)
	b.open(base, "desktop", false)
	for i := range *soakTabs {
		if i > 0 {
			b.do("tab", nil, nil)
		}
		b.visit([]string{"/", "/blocks", "/missing", "/journal"}[i%4])
	}

	until := time.Now().Add(*soakFor)
	table := newSoakTable()
	sampling, stop := context.WithCancel(t.Context())
	sampled := make(chan error, 1)
	go func() { sampled <- table.sampleEvery(sampling, *soakFor/24, base+"/metrics", steady.db) }()
	for killed := false; time.Now().Before(until); {
		if half := until.Add(-*soakFor / 2); !killed && time.Now().After(half) {
			n.Kill() // geth's development chain begins anew then
			n.Restart()
			killed = true
		}
		work(t, n, time.Duration(2+rounds.IntN(20))*time.Second)
		away := time.Duration(500+rounds.IntN(15_000)) * time.Millisecond
		soakFaults[rounds.IntN(len(soakFaults))](n, steady, mortal, away)
	}
	stop()
	if err := <-sampled; err != nil {
		t.Error(err)
	}
	t.Logf("\n%s", table)
	steady.follows(n)
	mortal.follows(n)
	for i := range *soakTabs {
		b.do("pick", settings{"nth": i}, nil)
		b.wait(`document.getElementById("live").textContent === "live"`)
	}
	steady.stop()
	mortal.stop()
}

// soakFaults are what happens to one of the three.
var soakFaults = []func(n *nodes.Node, steady, mortal *gapless, d time.Duration){
	func(n *nodes.Node, _, _ *gapless, d time.Duration) {
		n.Stop()
		time.Sleep(d)
		n.Restart()
	},
	func(n *nodes.Node, _, _ *gapless, d time.Duration) {
		n.Suspend()
		time.Sleep(d)
		n.Resume()
	},
	func(_ *nodes.Node, steady, _ *gapless, d time.Duration) {
		_ = steady.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(d)
		_ = steady.cmd.Process.Signal(syscall.SIGCONT)
	},
	func(_ *nodes.Node, _, mortal *gapless, d time.Duration) {
		mortal.kill()
		time.Sleep(d)
		mortal.start()
	},
	func(_ *nodes.Node, steady, mortal *gapless, d time.Duration) {
		for _, g := range []*gapless{steady, mortal} {
			release := g.lock()
			time.Sleep(d)
			release()
		}
	},
}

// work sends transactions for a while. A node that was started just now may
// refuse some.
func work(t *testing.T, n *nodes.Node, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var accounts []string
		if call(t.Context(), n, &accounts, "eth_accounts") != nil || len(accounts) == 0 {
			continue
		}
		var hash string
		_ = call(t.Context(), n, &hash, "eth_sendTransaction", map[string]string{
			"from": accounts[0], "to": accounts[len(accounts)-1], "value": "0x1",
		})
	}
}

// A soakTable is what was measured of a program over time.
type soakTable struct {
	began time.Time
	text  strings.Builder
	out   *tabwriter.Writer
}

func newSoakTable() *soakTable {
	x := &soakTable{began: time.Now()}
	x.out = tabwriter.NewWriter(&x.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(x.out, "after\thead\tmissing\tMB resident\tMB heap\thandles\tgoroutines\tMB -wal\tCPU s\t")
	return x
}

func (x *soakTable) String() string {
	_ = x.out.Flush() // to memory
	return x.text.String()
}

func (x *soakTable) sampleEvery(ctx context.Context, every time.Duration, url, db string) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		m, err := scrape(ctx, url)
		if err != nil { // suspended
			continue
		}
		const mega = 1e6
		fmt.Fprintf(x.out, "%v\t%.0f\t%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%.1f\t%.1f\t\n", time.Since(x.began).Round(time.Second),
			m["gapless_head_block"], m["gapless_missing_blocks"], m["process_resident_memory_bytes"]/mega, m["go_memstats_heap_alloc_bytes"]/mega,
			m["process_open_fds"], m["go_goroutines"], float64(sizeOf(db+"-wal"))/mega, m["process_cpu_seconds_total"])
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// scrape reads metrics without labels.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	found := make(map[string]float64)
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			found[name] = v
		}
	}
	return found, lines.Err()
}
