//go:build linux

package process_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"gapless/internal/node/devchain"
	"gapless/internal/node/nodetest"
)

var benchBlocks = flag.Int("blocks", 5000, "how many blocks BenchmarkCatchUp indexes")

// BenchmarkCatchUp has the program index a whole chain from a node in another
// process, and tells what the program took for it:
//
//	go test ./internal/process -run '^$' -bench CatchUp -benchtime 1x -count 6
//
// -blocks 200000 shows how the cost grows: tenth-1 and tenth-10 are of the first
// and the last tenth, without the indexes that are made at the end. CPU time says
// more than the time on the clock, where others use the machine. The node takes as
// much memory as the chain has JSON.
// -profiles DIR writes profiles of the program.
func BenchmarkCatchUp(b *testing.B) {
	profiled(b)
	for _, bench := range []struct {
		name    string
		in      devchain.Spec // of each block
		through func(http.Handler) http.Handler
	}{
		{"10-transactions", devchain.Spec{Transactions: 10, Logs: 1}, atOnce},
		{"empty", devchain.Spec{}, atOnce},
		{"empty-after-30ms", devchain.Spec{}, after(30 * time.Millisecond)},
		{"empty-500-a-second", devchain.Spec{}, limited(500)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.in.Blocks = *benchBlocks
			node := httptest.NewServer(bench.through(nodetest.New(devchain.Build(bench.in))))
			defer node.Close()
			b.ResetTimer()
			var sum taken
			for b.Loop() {
				sum.add(catchUp(b, node.URL, uint64(bench.in.Blocks)))
			}
			sum.report(b, bench.in.Blocks)
		})
	}
}

func atOnce(h http.Handler) http.Handler { return h }

// after answers later.
func after(d time.Duration) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(d)
			h.ServeHTTP(w, r)
		})
	}
}

// limited answers for so many blocks a second.
func limited(blocks int) func(http.Handler) http.Handler {
	bucket := rate.NewLimiter(rate.Limit(blocks), 10)
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			message, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client has gone
			}
			for range bytes.Count(message, []byte("eth_getBlockByNumber")) {
				_ = bucket.Wait(context.Background()) // has no end
			}
			r.Body = io.NopCloser(bytes.NewReader(message))
			h.ServeHTTP(w, r)
		})
	}
}

// taken is what indexing a chain took.
type taken struct {
	cpu         time.Duration
	first, last time.Duration // CPU time of the first and the last tenth of the blocks
	peak        int64         // bytes resident
	size        int64         // bytes of the file
}

func (t *taken) add(other taken) {
	t.cpu, t.first, t.last = t.cpu+other.cpu, t.first+other.first, t.last+other.last
	t.peak, t.size = max(t.peak, other.peak), other.size
}

func (t *taken) report(b *testing.B, blocks int) {
	all := float64(b.N) * float64(blocks)
	b.ReportMetric(all/b.Elapsed().Seconds(), "blocks/s")
	b.ReportMetric(t.cpu.Seconds()/all*1000, "cpu-s/1000-blocks")
	b.ReportMetric(t.first.Seconds()/all*10_000, "cpu-s/1000-blocks-tenth-1")
	b.ReportMetric(t.last.Seconds()/all*10_000, "cpu-s/1000-blocks-tenth-10")
	b.ReportMetric(float64(t.peak)/1e6, "MB-peak")
	b.ReportMetric(float64(t.size)/float64(blocks), "B/block")
}

// catchUp runs the program until it has all blocks.
func catchUp(b *testing.B, url string, last uint64) (t taken) {
	b.Helper()
	p := follow(b, filepath.Join(b.TempDir(), "gapless.db"), url, "--until", strconv.FormatUint(last, 10))
	p.until(last/10, &t)
	t.first = t.cpu
	p.until(last-last/10, &t)
	before := t.cpu
	p.until(last+1, &t)
	t.last = t.cpu - before
	p.until(last+2, &t) // until it has made the indexes and ended
	if state := p.cmd.ProcessState; !state.Success() {
		b.Fatalf("%s\n%s", state, p.out)
	}
	t.cpu = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	info, err := os.Stat(p.db)
	if err != nil {
		b.Fatal(err)
	}
	t.size = info.Size()
	return t
}

// until looks at what the program has taken until it is past a number of blocks,
// or has ended.
func (p *program) until(next uint64, t *taken) {
	for {
		t.look(p.cmd.Process.Pid)
		if p.status().Next >= next {
			return
		}
		select {
		case <-p.ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// look looks at a process, unless it has ended
// (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). What is resident
// at most the kernel counts for the program that it runs, not, as getrusage
// does, for the one that it was forked from.
func (t *taken) look(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may have spaces
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fields, memory := strings.Fields(after), strings.Fields(peak)
	if len(fields) < 13 || len(memory) == 0 {
		return // it is ending
	}
	const tick = 10 * time.Millisecond
	t.cpu = tick * time.Duration(number(fields[11])+number(fields[12])) // utime, stime
	t.peak = number(memory[0]) << 10
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // the kernel wrote it
	return n
}
