package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"gapless/internal/api"
	"gapless/internal/api/jsonrpc"
	"gapless/internal/store"
)

const replayUsage = `
Answer as the node did from which FILE was indexed: JSON-RPC over HTTP and WebSocket, offline, from
the file alone. It holds no state: eth_call, eth_getBalance and the like are errors. Nothing is
written, neither to the file nor beside it, and many may replay one file at once.
The first line on stdout is the URL, printed once it answers.

usage: gapless replay FILE [flags]
       gapless replay FILE [flags] -- COMMAND [ARGUMENT ...]

With a command, it runs that with the URL in ETH_RPC_URL, and ends with its exit code.

  --listen ADDR     where to answer (127.0.0.1:8545); 127.0.0.1:0 takes a free port
  --host NAME       by what name else it is reached, for example through a reverse proxy; more than
                    once
  --max-logs N      logs that an answer of eth_getLogs may have; 0 for no limit
                    (no limit on this machine, else 20000)
  --answer-memory N what all answers that are made or sent take at most, as 64MB (256MB)
  --pace WHEN       let the head grow block by block: one each DURATION, as 1s, or with manual one
                    for each call of evm_mine
  --start N         with --pace: the head at first (the file's first block)
  --allow-gaps      replay a file with missing blocks too; what needs one of them is an error
`

// replayFlags are the flags of replay as they were given.
type replayFlags struct {
	listen, maxLogs, answers, pace, start string
	hosts                                 []string
	allowGaps                             bool
}

const defaultReplay = "127.0.0.1:8545"

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	c := a.command("replay", replayUsage, 1, nil)
	c.Args = func(c *cobra.Command, args []string) error {
		dash := c.ArgsLenAtDash()
		if dash == 1 && len(args) > 1 || dash < 0 && len(args) == 1 {
			return nil
		}
		return usagef("replay takes a file and, after --, perhaps a command\n`%s -h` shows how", c.CommandPath())
	}
	c.PreRunE = nil
	c.RunE = func(c *cobra.Command, args []string) error {
		file, err := aDatabase.parseAll("FILE", args[:1])
		if err != nil {
			return err
		}
		r := &replay{replayFlags: f, path: file[0], command: args[1:], stdout: a.stdout, stderr: a.stderr}
		defer outliveLog()()
		return r.run(c.Context())
	}
	c.Flags().StringVar(&f.listen, "listen", defaultReplay, "")
	c.Flags().StringArrayVar(&f.hosts, "host", nil, "")
	c.Flags().StringVar(&f.maxLogs, "max-logs", "", "")
	c.Flags().StringVar(&f.answers, "answer-memory", defaultAnswers, "")
	c.Flags().StringVar(&f.pace, "pace", "", "")
	c.Flags().StringVar(&f.start, "start", "", "")
	c.Flags().BoolVar(&f.allowGaps, "allow-gaps", false, "")
	return c
}

// A replay is one run of the command.
type replay struct {
	replayFlags
	path           string
	command        []string // empty: none
	stdout, stderr io.Writer
}

func (r *replay) run(ctx context.Context) error {
	address, err := r.address()
	if err != nil {
		return err
	}
	file, err := store.OpenReader(ctx, r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s; name another, or make it with gapless run", r.path)
	}
	if err != nil {
		return err
	}
	err = r.serve(ctx, file, address)
	return errors.Join(err, file.Close())
}

func (r *replay) address() (string, error) {
	address, err := parseListen(r.listen)
	switch {
	case err != nil:
		return "", err
	case address == "":
		return "", usagef("--listen is off, but answering is all that replay does")
	case strings.HasPrefix(address, socketScheme):
		return "", usagef("--listen is %q, but clients of JSON-RPC can't reach that by a URL: use an address as %s", r.listen, defaultReplay)
	}
	return address, nil
}

// serve answers until ctx ends, or the command does.
func (r *replay) serve(ctx context.Context, file *store.Reader, address string) error {
	if err := r.complete(ctx, file); err != nil {
		return err
	}
	p, err := r.newPace(ctx, file)
	if err != nil {
		return err
	}
	o := p.options(file)
	if o.MaxLogs, err = maxLogs(r.maxLogs, address); err != nil {
		return err
	}
	answers, err := parseAnswers(r.answers)
	if err != nil {
		return err
	}
	o.Budget = newAnswers(answers)
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is taken, perhaps by a node; --listen 127.0.0.1:0 takes a free port", address)
	}
	if err != nil {
		return fmt.Errorf("%w\nchoose another address with --listen", err)
	}
	calls := jsonrpc.New(o)
	s := &page{server: api.NewCallServer(calls, address, r.hosts...), calls: calls, origin: origin{Address: reachable(listener.Addr())}, ended: make(chan error, 1)}
	go func() { s.ended <- s.server.Serve(listener) }()

	url := s.url()
	fmt.Fprintln(r.stdout, url) // the listener takes connections already
	ctx, end := context.WithCancel(ctx)
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(ctx) })
	g.Go(func() error { return p.run(ctx) })
	if len(r.command) > 0 {
		g.Go(func() error {
			defer end()
			return r.exec(ctx, url)
		})
	}
	err = g.Wait()
	return errors.Join(err, s.close())
}

// complete refuses a file with missing blocks, unless told otherwise.
func (r *replay) complete(ctx context.Context, file *store.Reader) error {
	if r.allowGaps {
		return nil
	}
	var ranges []store.MissingRange
	err := file.View(ctx, func(v *store.View) (err error) {
		ranges, _, err = v.Missing(0, 1<<62, 1)
		return err
	})
	if err != nil || len(ranges) == 0 {
		return err
	}
	return &exitError{exitIncomplete, fmt.Errorf("blocks are missing from %s, the first of them is %d; `gapless gaps --db %s` lists them\n--allow-gaps replays what is there",
		filepath.Base(r.path), ranges[0].First, pasted(r.path))}
}

// newPace reads --pace and --start.
func (r *replay) newPace(ctx context.Context, file *store.Reader) (*pace, error) {
	id, err := file.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path, err)
	}
	latest, err := file.Latest(ctx)
	if err != nil {
		return nil, err
	}
	if latest == nil {
		return nil, fmt.Errorf("no block is stored in %s", r.path)
	}
	p := &pace{last: latest.Number, head: latest.Number, changed: make(chan struct{})}
	if r.pace == "" {
		if r.start != "" {
			return nil, usagef("--start says where the head is at first, and needs --pace to move it")
		}
		return p, nil
	}
	p.moves, p.head = true, id.Start
	if strings.ToLower(r.pace) != "manual" {
		if p.every, err = time.ParseDuration(r.pace); err != nil || p.every <= 0 {
			return nil, usagef("--pace is %q: use a duration, as 1s, or manual", r.pace)
		}
	}
	return p, r.setStart(p, id.Start)
}

func (r *replay) setStart(p *pace, first uint64) error {
	start, err := parseNumber("--start", r.start)
	if err != nil || start == nil {
		return err
	}
	if *start < first || *start > p.last {
		return usagef("--start is %d, but %s has block %d to %d", *start, filepath.Base(r.path), first, p.last)
	}
	p.head = *start
	return nil
}
