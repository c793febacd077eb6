package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

const runUsage = `
Follow a node's chain into the file and serve it on this machine, until Ctrl-C.
A block that can't be had is noted as missing in the same transaction in which the index moves
past it, and tried again until it is there.

usage: gapless run [flags]

  --db FILE             the file; made if it isn't there (gapless.db)
  --rpc URL             a node: http, ws, or its socket as ipc:///path or /path/geth.ipc; more than
                        once: the first one that answers (http://127.0.0.1:8545 or, if nothing
                        answers there, the socket of geth or reth where they put it)
  --rpc-header H        'Name: value' to send to the nodes; more than once
  --rpc-file FILE       nodes, one URL a line, # for comments; keeps keys out of the process list
  --timeout DURATION    how long one request to a node may take (10s)
  --from WHERE          the first block of a new file: a number, latest, or -N for N before the
                        head (0)
  --until N|latest      store nothing above this block, and end when all up to it is there
  --keep N              delete what is more than N blocks below the head, once it is final; a new
                        file begins that far below it (0: keep all)
  --wait DURATION       with --until: how long to wait for what is missing at the end, and at the start
                        for a node that refuses (10m). Without --until: at the first start, how long
                        to wait for a node that refuses (not at all)
  --rps N               calls a second to all nodes; -1 for no limit
                        (50, without limit on this machine)
  --daily-calls N       calls to all nodes in a day of UTC; what new blocks need until its end is
                        set aside, the rest may be used at once; with none left, all waits for the
                        next day. A start has the part of N that is left of its day, or less if the
                        file shows that more was used (0: no limit)
  --verify LEVEL        auto refuses blocks that are provably wrong; strict also those that can't
                        be proved right; warn stores them with a note; off proves nothing (auto,
                        which is warn for anvil, hardhat and ganache on this machine)
  --confirmations N     stay so many blocks behind the head (0)
  --commit-every TIME   write new blocks to the disk together, so long after those before, as 10s,
                        and tell of them then (0: each as it comes)
  --retry-base DURATION the wait before a retry, doubled with each try, ten times at most (2s)
  --on-reset WHAT       when the chain begins anew: rotate puts the file aside and begins a new
                        one, stop ends (rotate for nodes on this machine, stop elsewhere)
  --on-revert WHAT      when the node's chain becomes shorter: follow deletes what it took back,
                        wait keeps all until it shows other blocks or comes back (follow for anvil,
                        hardhat and ganache, wait for others)
  --min-free SIZE       pause while less than this is free on the disk (256MB)
  --wal-limit SIZE      pause while FILE-wal is larger because another program reads FILE and does
                        not end its transaction; 0 for no limit (1GB)
  --listen ADDR|off     where to serve HTTP: a port of this machine, or of all its addresses as
                        :8600, or unix:PATH for a socket (127.0.0.1:8600)
  --host NAME           by what name else HTTP is reached, for example through a reverse proxy;
                        more than once
  --base-path PATH      under which path a reverse proxy shows all this, if it leaves that on, as
                        /explorer; what it takes off need not be known
  --trusted-proxy ADDR  a proxy, or a network of some, whose X-Forwarded-Prefix is believed; more
                        than once
  --max-logs N          logs that an answer of eth_getLogs may have; 0 for no limit
                        (no limit on this machine, else 20000)
  --answer-memory SIZE  what all answers that are made or sent take at most (256MB)
  --proxy               let JSON-RPC calls that need the chain's state, such as eth_call, be answered by
                        the node, only reads of a closed list; and have balances, code and what
                        tokens call themselves on the pages
  --abi DIR             contracts' ABIs, for the pages: Foundry's out, Hardhat's artifacts; more
                        than once
  --labels FILE         names of addresses, for the pages: an address and its name a line
  --log-level LEVEL     debug, info, warn or error (info)
  --log-format FORMAT   text or json (text)

SIGHUP has --rpc-file, --labels and --abi read again.

The environment can set each flag, for example GAPLESS_DB, GAPLESS_RPC (URLs separated by spaces)
and GAPLESS_RPC_HEADER and GAPLESS_ABI (one a line).
`

// runFlags are the flags of run as they were given.
type runFlags struct {
	nodeFlags
	db            string
	from          string
	until         string
	keep          uint64
	wait          time.Duration
	rps           float64
	dailyCalls    int
	verify        string
	confirmations uint64
	commitEvery   time.Duration
	retryBase     time.Duration
	onReset       string
	onRevert      string
	minFree       string
	walLimit      string
	listen        string
	hosts         []string
	basePath      string
	proxies       []string
	maxLogs       string
	answers       string
	proxy         bool
	abis          []string
	labels        string
	logLevel      string
	logFormat     string
}

func (f *runFlags) register(flags *pflag.FlagSet) {
	pathFlag(flags, &f.db, "db", usualDB, aNewFile)
	f.nodeFlags.register(flags)
	flags.StringVar(&f.from, "from", "", "")
	flags.StringVar(&f.until, "until", "", "")
	flags.Uint64Var(&f.keep, "keep", 0, "")
	flags.DurationVar(&f.wait, "wait", 10*time.Minute, "")
	flags.Float64Var(&f.rps, "rps", 0, "")
	flags.IntVar(&f.dailyCalls, "daily-calls", 0, "")
	flags.StringVar(&f.verify, "verify", string(chain.Auto), "")
	flags.Uint64Var(&f.confirmations, "confirmations", 0, "")
	flags.DurationVar(&f.commitEvery, "commit-every", 0, "")
	flags.DurationVar(&f.retryBase, "retry-base", gapfill.DefaultBase, "")
	flags.StringVar(&f.onReset, "on-reset", "", "")
	flags.StringVar(&f.onRevert, "on-revert", "", "")
	flags.StringVar(&f.minFree, "min-free", "256MB", "")
	flags.StringVar(&f.walLimit, "wal-limit", "1GB", "")
	flags.StringVar(&f.listen, "listen", defaultListen, "")
	flags.StringArrayVar(&f.hosts, "host", nil, "")
	flags.StringVar(&f.basePath, "base-path", "", "")
	flags.StringArrayVar(&f.proxies, "trusted-proxy", nil, "")
	flags.StringVar(&f.maxLogs, "max-logs", "", "")
	flags.StringVar(&f.answers, "answer-memory", defaultAnswers, "")
	flags.BoolVar(&f.proxy, "proxy", false, "")
	pathsFlag(flags, &f.abis, "abi", aFolder)
	pathFlag(flags, &f.labels, "labels", "", aFile)
	flags.StringVar(&f.logLevel, "log-level", "info", "")
	flags.StringVar(&f.logFormat, "log-format", "text", "")
}

// fewestCalls is what a day needs: with a tenth of so many the head is looked at
// every two and a half hours.
const fewestCalls = 100

const defaultListen = "127.0.0.1:8600"

func (a *app) runCommand(name, usage string) *cobra.Command {
	var f runFlags
	var c *cobra.Command
	c = a.command(name, usage, 0, func(ctx context.Context, _ []string) error {
		o, err := pause.Await(ctx, f.options) // a file that is read may be a pipe
		if err != nil {
			return err
		}
		defer outliveLog()()
		var ignore func()
		o.hangups, ignore = hangups()
		o.rereadURLs, o.waits = f.urls, c.Flags().Changed("wait")
		o.sockets = f.isUsual()
		defer ignore()
		out := newConsole(a.stderr)
		log := f.logger(out)
		s := newService(o, out, log)
		s.findManager()
		return s.run(ctx)
	})
	f.register(c.Flags())
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		return errors.Join(misspelt(c.Flags()), fromEnvironment(c.Flags(), isSetting))
	}
	return c
}

// options makes of the flags what the service needs. Its errors are exit 2.
func (f *runFlags) options() (o options, err error) {
	o = options{db: f.db, wait: f.wait, rate: f.rps, dailyCalls: f.dailyCalls, onReset: f.onReset, onRevert: f.onRevert, hosts: f.hosts, proxy: f.proxy, confirmations: f.confirmations, commitEvery: f.commitEvery, keep: f.keep,
		abis: f.abis, labels: f.labels, backoff: gapfill.Backoff{Base: f.retryBase}}
	if err = f.nodeFlags.into(&o); err != nil {
		return o, err
	}
	if o.from, err = parsePlace("--from", f.from, true); err != nil {
		return o, err
	}
	if o.until, err = parsePlace("--until", f.until, false); err != nil {
		return o, err
	}
	if o.level, err = chain.ParseLevel(f.verify); err != nil {
		return o, usagef("--verify: %w", err)
	}
	if o.minFree, err = parseSize("--min-free", f.minFree); err != nil {
		return o, err
	}
	if o.walLimit, err = parseSize("--wal-limit", f.walLimit); err != nil {
		return o, err
	}
	if o.listen, err = parseListen(f.listen); err != nil {
		return o, err
	}
	if o.basePath, err = parseBasePath(f.basePath); err != nil {
		return o, err
	}
	if o.proxies, err = parseProxies(f.proxies); err != nil {
		return o, err
	}
	if o.maxLogs, err = maxLogs(f.maxLogs, o.listen); err != nil {
		return o, err
	}
	if o.answers, err = parseAnswers(f.answers); err != nil {
		return o, err
	}
	return o, f.check()
}

// check looks at the values that are used as they are.
func (f *runFlags) check() error {
	switch {
	case f.keep > 0 && f.keep < store.LeastKept || f.keep > math.MaxInt64:
		return usagef("--keep is %d: keep at least %d blocks, which a reorg may leave, or 0 for all", f.keep, store.LeastKept)
	case f.wait < 0:
		return usagef("--wait is %s: use a duration of at least 0, as 10m", f.wait)
	case f.commitEvery < 0 || f.commitEvery > time.Hour:
		return usagef("--commit-every is %s: use a duration from 0 to 1h, as 10s", f.commitEvery)
	case f.retryBase < time.Millisecond || f.retryBase > 24*time.Hour:
		return usagef("--retry-base is %s: use a duration from 1ms to 24h, as 2s", f.retryBase)
	case math.IsNaN(f.rps) || math.IsInf(f.rps, 0):
		return usagef("--rps is %v: use a number of calls a second, or -1 for no limit", f.rps)
	case f.dailyCalls < 0 || f.dailyCalls > 0 && f.dailyCalls < fewestCalls:
		return usagef("--daily-calls is %d: use at least %d calls a day, or 0 for no limit", f.dailyCalls, fewestCalls)
	case f.confirmations > math.MaxInt64:
		return usagef("--confirmations is %d: use a number of blocks", f.confirmations)
	}
	if f.onReset != "" && f.onReset != resetRotate && f.onReset != resetStop {
		return usagef("--on-reset is %q: use rotate or stop", f.onReset)
	}
	if f.onRevert != "" && f.onRevert != indexer.FollowReverts && f.onRevert != indexer.WaitOnReverts {
		return usagef("--on-revert is %q: use follow or wait", f.onRevert)
	}
	if err := new(slog.Level).UnmarshalText([]byte(f.logLevel)); err != nil {
		return usagef("--log-level is %q: use debug, info, warn or error", f.logLevel)
	}
	if f.logFormat != "text" && f.logFormat != "json" {
		return usagef("--log-format is %q: use text or json", f.logFormat)
	}
	return nil
}

func (f *runFlags) logger(w io.Writer) *slog.Logger {
	var o slog.HandlerOptions
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel)) // was checked
	o.Level = level
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, &o))
	}
	return slog.New(slog.NewTextHandler(w, &o))
}

// A place is a block number, or a distance from the head.
type place struct {
	number uint64
	head   bool // number counts back from the head
}

// parsePlace reads a number, latest, or -N if that is allowed. It is nil for an
// empty text.
func parsePlace(flag, text string, back bool) (*place, error) {
	if text == "" {
		return nil, nil
	}
	if text == "latest" {
		return &place{head: true}, nil
	}
	digits, negative := strings.CutPrefix(text, "-")
	n, err := strconv.ParseUint(digits, 10, 63)
	if err == nil && (!negative || back) {
		return &place{n, negative}, nil
	}
	if back {
		return nil, usagef("%s is %q: use a block number, latest, or -N for N blocks before the head", flag, text)
	}
	return nil, usagef("%s is %q: use a block number or latest", flag, text)
}

// at gives the number for a head.
func (p place) at(head uint64) uint64 {
	switch {
	case !p.head:
		return p.number
	case p.number > head:
		return 0
	}
	return head - p.number
}

// describe says in few words what an error of the node means.
func describe(err error) string {
	if e, ok := errors.AsType[*chain.Error](err); ok && e.Class == chain.EndpointDown {
		return fmt.Sprintf("no answer yet (%s)", err)
	}
	return err.Error()
}
