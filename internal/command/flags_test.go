package command

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"gapless/gapfill"
	"gapless/internal/chain"
)

// What flags and variables make of the options of run.
func TestRunFlags(t *testing.T) {
	urls := filepath.Join(t.TempDir(), "urls")
	if err := os.WriteFile(urls, []byte("# mine\nhttp://one\n\n  http://two  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	usual := func(change func(*options)) options {
		o := options{
			db: "gapless.db", urls: []string{defaultNode}, header: http.Header{}, timeout: 10 * time.Second, wait: 10 * time.Minute,
			level: chain.Auto, backoff: gapfill.Backoff{Base: 2 * time.Second}, listen: defaultListen, minFree: 256_000_000, walLimit: 1_000_000_000, answers: 256_000_000,
		}
		change(&o)
		return o
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		want options
	}{
		{"nothing", nil, nil, usual(func(*options) {})},
		{"flags", nil, []string{
			"--db", "a b.db", "--rpc", "http://x", "--rpc", "ws://y", "--rpc-header", "Authorization: Bearer k", "--rpc-header", "X-A:b",
			"--from", "-100", "--until", "latest", "--wait", "3s", "--rps", "2.5", "--daily-calls", "5000", "--verify", "strict", "--confirmations", "12",
			"--retry-base", "2m", "--listen", "off", "--on-reset", "stop", "--on-revert", "wait", "--min-free", "2GB", "--timeout", "30s", "--max-logs", "500", "--answer-memory", "64MB",
		}, usual(func(o *options) {
			o.db, o.urls = "a b.db", []string{"http://x", "ws://y"}
			o.header = http.Header{"Authorization": {"Bearer k"}, "X-A": {"b"}}
			o.from, o.until, o.wait, o.rate = &place{100, true}, &place{0, true}, 3*time.Second, 2.5
			o.dailyCalls = 5000
			o.level, o.confirmations, o.backoff.Base, o.listen, o.onReset = chain.Strict, 12, 2*time.Minute, "", "stop"
			o.onRevert = "wait"
			o.minFree, o.timeout, o.maxLogs, o.answers = 2_000_000_000, 30*time.Second, 500, 64_000_000
		})},
		{"variables", map[string]string{
			"GAPLESS_DB": "v.db", "GAPLESS_RPC": "http://x\nhttp://y http://z", "GAPLESS_RPC_HEADER": "A: b c\nD: e\n",
			"GAPLESS_FROM": "latest", "GAPLESS_RETRY_BASE": "1s", "GAPLESS_RPS": "-1", "GAPLESS_DAILY_CALLS": "100000", "GAPLESS_LISTEN": "0.0.0.0:80",
			"GAPLESS_UNTIL": "", "GAPLESS_TIMEOUT": "1m",
		}, nil, usual(func(o *options) {
			o.db, o.urls = "v.db", []string{"http://x", "http://y", "http://z"}
			o.header = http.Header{"A": {"b c"}, "D": {"e"}}
			o.from, o.backoff.Base, o.rate, o.listen = &place{0, true}, time.Second, -1, "0.0.0.0:80"
			o.dailyCalls, o.timeout, o.maxLogs = 100_000, time.Minute, 20_000 // others reach it
		})},
		{"a flag beats its variable", map[string]string{"GAPLESS_DB": "v.db", "GAPLESS_RPC": "http://v"}, []string{"--db", "f.db", "--rpc", "http://f"},
			usual(func(o *options) { o.db, o.urls = "f.db", []string{"http://f"} })},
		{"a file of URLs", nil, []string{"--rpc-file", urls, "--rpc", "http://zero"},
			usual(func(o *options) { o.urls = []string{"http://zero", "http://one", "http://two"} })},
		{"a port alone is one of this machine", nil, []string{"--listen", "9000"},
			usual(func(o *options) { o.listen = "127.0.0.1:9000" })},
		{"a port of all addresses", nil, []string{"--listen", ":9000"},
			usual(func(o *options) { o.listen, o.maxLogs = ":9000", 20_000 })},
		{"a socket", nil, []string{"--listen", "unix:/run/gapless.sock"},
			usual(func(o *options) { o.listen, o.maxLogs = "unix:/run/gapless.sock", 20_000 })},
		{"behind a proxy", nil, []string{"--base-path", "explorer/", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "fd00::/8"},
			usual(func(o *options) {
				o.basePath, o.proxies = "/explorer", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("fd00::/8")}
			})},
		{"a number", nil, []string{"--from", "17", "--until", "20"},
			usual(func(o *options) { o.from, o.until = &place{17, false}, &place{20, false} })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			var f runFlags
			flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
			f.register(flags)
			if err := flags.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			if err := fromEnvironment(flags, isSetting); err != nil {
				t.Fatal(err)
			}
			got, err := f.options()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(options{}, place{}), cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A variable that can't be read is named.
func TestBadVariable(t *testing.T) {
	t.Setenv("GAPLESS_RETRY_BASE", "soon")
	code, _, stderr := gapless(t, "run", "--listen", "off")
	if want := "gapless: GAPLESS_RETRY_BASE: time: invalid duration \"soon\"\n"; code != exitUsage || stderr != want {
		t.Errorf("exit %d, %q instead of %q", code, stderr, want)
	}
}

// Memory for answers that is none, or too little, is told of, with either command.
func TestBadAnswerMemory(t *testing.T) {
	for _, args := range [][]string{{"run", "--listen", "off"}, {"replay", writeFile(t, 5), "--listen", "127.0.0.1:0"}} {
		for value, want := range map[string]string{"x": "use a size as 256MB or 2GB", "1MB": "use at least 16MB"} {
			code, _, stderr := gapless(t, append(args, "--answer-memory", value)...)
			want = fmt.Sprintf("gapless: --answer-memory is %q: %s\n", value, want)
			if code != exitUsage || stderr != want {
				t.Errorf("%s: exit %d, %q instead of %q", args[0], code, stderr, want)
			}
		}
	}
}

// A number of logs that is none is told of, with either command.
func TestBadMaxLogs(t *testing.T) {
	for _, args := range [][]string{{"run", "--listen", "off"}, {"replay", writeFile(t, 5), "--listen", "127.0.0.1:0"}} {
		code, _, stderr := gapless(t, append(args, "--max-logs", "-1")...)
		if want := "gapless: --max-logs is \"-1\": use a number of logs, or 0 for no limit\n"; code != exitUsage || stderr != want {
			t.Errorf("%s: exit %d, %q instead of %q", args[0], code, stderr, want)
		}
	}
}

// Of other commands only --db is one of the environment: their --from is another
// one.
func TestEnvironmentOfOthers(t *testing.T) {
	t.Setenv("GAPLESS_DB", writeFile(t, 5))
	t.Setenv("GAPLESS_FROM", "-100")
	t.Setenv("GAPLESS_JSON", "true")
	if got := mustGapless(t, "verify"); !strings.Contains(got, "checked block 0 to 5") {
		t.Errorf("got\n%s", got)
	}
}

func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		p          place
		head, want uint64
	}{
		{place{5, false}, 100, 5},
		{place{500, false}, 100, 500},
		{place{0, true}, 100, 100},
		{place{10, true}, 100, 90},
		{place{101, true}, 100, 0},
	} {
		if got := tt.p.at(tt.head); got != tt.want {
			t.Errorf("%+v at head %d is %d instead of %d", tt.p, tt.head, got, tt.want)
		}
	}
}

func TestLevelFor(t *testing.T) {
	for _, tt := range []struct {
		level    chain.Level
		client   string
		loopback bool
		want     chain.Level
	}{
		{chain.Auto, "anvil/v1.2.3", true, chain.Warn},
		{chain.Auto, "HardhatNetwork/2.22.0/@nomicfoundation/edr", true, chain.Warn},
		{chain.Auto, "Ganache/v7.9.2/EthereumJS TestRPC/v7.9.2/ethereum-js", true, chain.Warn},
		{chain.Auto, "anvil/v1.2.3", false, chain.Auto},
		{chain.Auto, "Geth/v1.17.10", true, chain.Auto},
		{chain.Strict, "anvil/v1.2.3", true, chain.Strict},
	} {
		if got := levelFor(tt.level, chain.Identity{Client: tt.client, Loopback: tt.loopback}); got != tt.want {
			t.Errorf("%s on %s (loopback %t) is %s instead of %s", tt.level, tt.client, tt.loopback, got, tt.want)
		}
	}
}
