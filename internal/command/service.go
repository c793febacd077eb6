package command

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"gapless/gapfill"
	"gapless/indexer"
	"gapless/internal/api/pages"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/pause"
	"gapless/internal/store"
	"gapless/internal/systemd"
)

// options are what a service is told to do.
type options struct {
	db            string
	urls          []string
	sockets       bool        // urls are the usual ones: if nothing answers there, the usual sockets are looked at
	header        http.Header // secret
	rate          float64
	dailyCalls    int           // to all nodes; 0 for no limit
	timeout       time.Duration // of a call; 0 is the node package's
	from, until   *place
	wait          time.Duration
	waits         bool // somebody has said so
	level         chain.Level
	confirmations uint64
	commitEvery   time.Duration
	keep          uint64 // blocks up to the head that stay; 0 for all
	backoff       gapfill.Backoff
	listen        string   // host:port or unix:PATH; empty for no HTTP
	hosts         []string // names by which HTTP is reached, beside that
	basePath      string   // as api.ParseBasePath gives it
	proxies       []netip.Prefix
	maxLogs       int      // in an answer of eth_getLogs; 0: no limit
	answers       int64    // bytes of all answers under way; 0 for as many as usual
	proxy         bool     // pass calls that need the state to the node
	onReset       string   // rotate or stop; empty for what suits the nodes
	onRevert      string   // as indexer.Options has it
	minFree       int64    // bytes that stay free on the disk
	walLimit      int64    // bytes that the -wal may take; 0 for no limit
	anyPort       bool     // take another port if that one is taken
	abis          []string // folders with contracts' ABIs
	labels        string   // file with names of addresses

	rereadURLs func() ([]string, error) // reads urls again
	hangups    <-chan os.Signal         // has a value when that is to be done; nil: never

	// opened, if set, is called with the open file.
	opened func(*store.Store)
	// finished, if set, is called once all up to until is stored or the wait is
	// over, instead of ending; missing is how many blocks are not there. The
	// chain is followed beyond until meanwhile.
	finished func(ctx context.Context, s *service, missing int) error
}

// A service is a running gapless: one file, kept complete and served.
type service struct {
	options
	out   *console
	plain bool // tell it in sentences; else in the log
	log   *slog.Logger

	registry *prometheus.Registry
	started  time.Time
	token    string
	// sessionKey signs the sessions of the pages; it is that of earlier processes.
	sessionKey string
	store      *store.Store // nil until it is open, as are the next two
	node       *node.Node
	page       *page
	shown      *pages.Handler // nil without a page
	manager    manager        // nil if none started the process

	isNew     bool    // the file had no chain when it was opened
	last      *uint64 // until, as a number
	reached   atomic.Bool
	engine    atomic.Pointer[engine]
	waiting   atomic.Pointer[string]      // why there is no engine yet
	unsettled atomic.Pointer[pausedError] // what a start waits for before it can write; nil if for nothing
	heldBy    atomic.Pointer[string]      // --daily-calls, in words; nil if calls do not wait for those of the day
	hinted    sync.Once                   // of --verify warn
	only      atomic.Pointer[error]       // why what was taken away is in no other file; nil if nothing was
}

// An engine is what indexes. There is one once the node has said which chain it
// serves.
type engine struct {
	indexer *indexer.Indexer
	worker  *gapfill.Worker
	chain   chain.Identity
	start   uint64
	ended   chan struct{} // closed when all up to the last block is indexed, if there is one
}

func newService(o options, out *console, log *slog.Logger) *service {
	s := &service{
		options: o, out: out, plain: out.terminal, log: log,
		registry: prometheus.NewRegistry(), started: time.Now(), token: rand.Text(),
	}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.measureRoom()
	return s
}

// errFinished ends the work when there is none left.
var errFinished = errors.New("all is done")

// run opens what there is to open, works until ctx ends or all is done, and
// stops it all again.
func (s *service) run(ctx context.Context) error {
	err := s.open(ctx)
	if err == nil {
		err = s.rescue(ctx, s.work(ctx))
	}
	err = s.outcome(ctx, err)
	s.tellManager(systemd.Stopping, systemd.Status("stopping"))

	// The order of shutdown. Nothing indexes any more. First those who ask are
	// answered; they read the file, which is closed last.
	s.out.endProgress()
	err = errors.Join(err, s.page.close(), s.close())
	if s.store != nil {
		err = errors.Join(err, withdraw(s.store.Path()), s.tellStop(ctx), s.store.Close())
	}
	return err
}

// close closes the connections to the nodes.
func (s *service) close() error {
	if s.node == nil {
		return nil
	}
	return s.node.Close()
}

// outcome turns the reason why the work has ended into an error, or nil if that
// is as it should be.
func (s *service) outcome(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errFinished):
		return nil
	case ctx.Err() == nil || !errors.Is(err, context.Canceled):
		return err
	case s.until != nil && s.finished == nil:
		return &exitError{exitIncomplete, errors.New("stopped before all was there")}
	}
	return nil
}

// open opens the file and the page, and prepares to ask the node.
func (s *service) open(ctx context.Context) (err error) {
	limitMemory(besides) // and more for what a page answers
	if err := s.openNode(); err != nil {
		return err
	}
	if err := s.announceUpgrade(ctx); err != nil {
		return withHint(err)
	}
	err = s.untilWritable(ctx, func() (err error) { // an older schema is brought up to date
		s.store, err = store.Open(ctx, s.db)
		return err
	})
	if err != nil {
		return explainOpen(err, s.db)
	}
	if s.opened != nil {
		s.opened(s.store)
	}
	if err := s.compareStart(ctx); err != nil {
		return err
	}
	if err := s.countEarlier(ctx); err != nil {
		return err
	}
	if s.listen != "" {
		s.sessionKey = cmp.Or(sessionKey(s.store.Path()), rand.Text())
		if s.page, err = pause.Await(ctx, func() (*page, error) { return s.openPage(ctx) }); err != nil {
			return err
		}
	}
	if err := s.notice().leave(s.store.Path()); err != nil {
		return err
	}
	s.tellStart()
	s.tellManager(systemd.Ready)
	return nil
}

// openNode prepares to ask the node.
func (s *service) openNode() (err error) {
	s.node, err = node.New(node.Options{
		URLs: s.urls, Header: s.header, Rate: s.rate, DailyCalls: s.dailyCalls, Timeout: s.timeout, Logger: s.log, Metrics: s.registry,
	})
	if err != nil {
		return usagef("%w\na node is named as http://127.0.0.1:8545", err)
	}
	return nil
}

func (s *service) notice() notice {
	n := notice{ID: os.Getpid()}
	if s.page != nil {
		n.origin, n.Token, n.SessionKey = s.page.origin, s.token, s.sessionKey
	}
	return n
}

// compareStart looks whether the file begins where --from says.
func (s *service) compareStart(ctx context.Context) error {
	id, err := s.store.Identity(ctx)
	switch {
	case errors.Is(err, store.ErrNoChain):
		s.isNew = true
		return nil
	case err != nil:
		return err
	case s.keep > 0 && s.from != nil && s.from.number < id.Start: // it was pruned since
	case s.from != nil && !s.from.head && s.from.number != id.Start:
		return usagef("--from is %d, but %s begins with block %d\nleave --from out to go on with this file, or use another --db",
			s.from.number, s.db, id.Start)
	}
	return nil
}

// work waits for the node, then indexes and serves until ctx ends or a part
// fails.
func (s *service) work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.page != nil {
		g.Go(func() error { return s.page.watch(ctx) })
	}
	g.Go(func() error { return s.reportToManager(ctx, s.store.Answers) })
	g.Go(func() error { return s.watchQuota(ctx) })
	g.Go(func() error { return s.watchPlace(ctx) })
	g.Go(func() error { return s.watchHangups(ctx) })
	g.Go(func() error {
		e, err := s.start(ctx)
		if err != nil {
			return err
		}
		g.Go(func() error {
			err := s.index(ctx, e)
			if err == nil {
				close(e.ended)
			}
			return err
		})
		g.Go(func() error { return e.worker.Run(ctx) })
		g.Go(func() error { return s.finish(ctx) })
		g.Go(func() error { return s.audit(ctx, e) })
		g.Go(func() error { return s.trim(ctx, e) })
		g.Go(func() error { return s.watchClock(ctx, e) })
		g.Go(func() error { return s.tellProgress(ctx, e) })
		return nil
	})
	return g.Wait()
}

// start waits until the node says which chain it serves, makes sure that it is
// the file's, and makes the engine.
func (s *service) start(ctx context.Context) (*engine, error) {
	id, head, start, err := s.settle(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.newEngine(ctx, id)
	if err != nil {
		return nil, err
	}
	e.start = start
	s.engine.Store(e)
	s.tellFollowing(id, head)
	return e, nil
}

// newEngine introduces the two to each other: a retry runs the code of the
// head, and what fails at the head is retried.
func (s *service) newEngine(ctx context.Context, id chain.Identity) (*engine, error) {
	e := &engine{chain: id, ended: make(chan struct{})}
	room := func() error { return s.room(ctx) }
	o := indexer.Options{
		Level: levelFor(s.level, id), Confirmations: s.confirmations, CommitEvery: s.commitEvery, Client: id.Client, Loopback: id.Loopback,
		OnRevert: s.onRevert,
		Delay:    s.backoff.Delay, Sparing: s.node.PollEvery(),
		Failed: func(f ...*chain.Failure) {
			e.worker.Schedule(f...)
			s.hintDevnet(id, f)
		},
		Rewound:   func(ancestor uint64) { e.worker.Rewound(ancestor) },
		Recovered: func() { e.worker.RetryAll() },
		Room:      room,
	}
	if s.finished == nil {
		o.Until, o.Latest = s.last, s.until != nil && s.until.head
	}
	e.indexer = indexer.New(s.node, s.store, o, s.log, s.registry)
	worker, err := gapfill.New(ctx, s.store, s.backoff, e.indexer.Index, s.node.Await, s.log, s.registry)
	if err != nil {
		return nil, err
	}
	worker.Room = room
	e.worker = worker
	return e, nil
}

// identity gives what the file's identity must be, going by the node. Where
// the file begins it says itself, unless it is new.
func (s *service) identity(ctx context.Context, id chain.Identity, head uint64) (store.Identity, error) {
	want := store.Identity{ChainID: id.ChainID, Client: id.Client}
	if !s.isNew {
		file, err := s.store.Identity(ctx)
		if err != nil {
			return want, err
		}
		want.Start, want.Genesis = file.Start, file.Genesis // if the node can't tell
	} else if s.from != nil {
		want.Start = s.from.at(head)
	} else if s.keep > 0 {
		want.Start = place{s.keep - 1, true}.at(head)
	}
	if id.Loopback {
		if err := s.addFork(ctx, &want); err != nil {
			return want, err
		}
	}
	if id.Genesis != nil {
		want.Genesis = id.Genesis.Hash
	}
	return want, nil
}

// addFork asks a development node whether its chain is a fork of a live one,
// which is not indexed below the fork: it is not this node's, and too large.
func (s *service) addFork(ctx context.Context, want *store.Identity) error {
	fork, err := s.node.Fork(ctx)
	if err != nil || fork == nil {
		return err
	}
	want.Fork = &store.Tag{Number: fork.Block, Hash: fork.Hash}
	if s.isNew {
		want.Start = max(want.Start, fork.Block)
	}
	return nil
}

// resolveUntil makes a number of --until.
func (s *service) resolveUntil(start, head uint64) error {
	if s.until == nil {
		return nil
	}
	last := s.until.at(head)
	if last < start {
		return usagef("--until is block %d, but the file begins with block %d", last, start)
	}
	s.last = &last
	return nil
}

// checkHistory makes sure that the node keeps the first block of a new file.
// Where it does not tell, that is found out by indexing.
func (s *service) checkHistory(ctx context.Context, start, head uint64) error {
	earliest, err := s.node.Earliest(ctx, start, head)
	if err != nil || earliest == start {
		return nil
	}
	return fmt.Errorf("the node has blocks from %d on, and the file would begin with block %d\nstart with --from %d, or name a node that keeps them all",
		earliest, start, earliest)
}

// levelFor gives the level that auto stands for. A development chain lets
// anyone be impersonated, whose transactions have no valid signature.
func levelFor(level chain.Level, id chain.Identity) chain.Level {
	if level == chain.Auto && id.Loopback && node.IsDevnet(id.Client) {
		return chain.Warn
	}
	return level
}
