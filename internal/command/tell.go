package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gapless/indexer"
	"gapless/internal/api/rest"
	"gapless/internal/chain"
	"gapless/internal/node"
	"gapless/internal/store"
)

// tellStart says where everything is. Who opens the page by the URL for login
// may retry and skip from there.
func (s *service) tellStart() {
	about, web := "", "off"
	if s.isNew {
		about = " (new)"
	}
	if s.page != nil {
		web = s.page.url()
	}
	if !s.plain {
		s.log.Info("file open", "file", s.store.Path(), "new", s.isNew, "page", web, "listen", s.listen, "node", s.endpoints())
		return
	}
	if host, _, err := net.SplitHostPort(s.listen); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		web += ", and at every other address of this machine"
	}
	s.out.printf("file  %s%s\npage  %s\n", s.store.Path(), about, web)
	if s.page != nil {
		s.out.printf("login %s\n", s.page.login(s.token))
	}
}

func (s *service) endpoints() string {
	var labels []string
	for _, e := range s.node.State() {
		labels = append(labels, e.Label)
	}
	return strings.Join(labels, ", ")
}

func (s *service) tellWaiting(why string) {
	if !s.plain {
		s.log.Warn("waiting for the node", "node", s.endpoints(), "err", why)
		return
	}
	s.out.printf("node  %s: %s; waiting\n", s.endpoints(), why)
}

func (s *service) tellFollowing(id chain.Identity, head uint64) {
	if !s.plain {
		s.log.Info("following", "chain_id", id.ChainID, "client", id.Client, "head", head)
		return
	}
	s.out.printf("node  %s: %s, chain id %d, head %s\n", s.endpoints(), id.Client, id.ChainID, thousands(head))
}

func (s *service) tellReset(aside string) {
	if !s.plain {
		s.log.Warn("the chain was reset: the file was put aside", "aside", aside)
		return
	}
	s.out.endProgress()
	s.out.printf("reset the chain began anew; the file of the old one is %s\n", aside)
}

// hintDevnet says once what to do when blocks of a development node are refused
// only because it is not on this machine: in a container of it, for example.
func (s *service) hintDevnet(id chain.Identity, failures []*chain.Failure) {
	wrong := slices.ContainsFunc(failures, func(f *chain.Failure) bool { return f.Class == chain.Invalid })
	if !wrong || s.level != chain.Auto || id.Loopback || !node.IsDevnet(id.Client) {
		return
	}
	s.hinted.Do(func() {
		s.log.Warn("blocks of a development node that is not on this machine can't be proved right, and are refused; "+
			"if it is yours, --verify warn stores them with a note, and --on-reset rotate follows its restarts", "client", id.Client)
	})
}

// tellStop says where the index stands at the end. ctx may have ended.
func (s *service) tellStop(ctx context.Context) error {
	e := s.engine.Load()
	if e == nil {
		if ctx.Err() != nil { // else an error tells more
			s.tellIdleStop()
		}
		return nil
	}
	next, err := s.store.Next(context.WithoutCancel(ctx))
	if errors.Is(err, store.ErrNoChain) { // the file was rotated just now
		s.tellIdleStop()
		return nil
	}
	if err != nil {
		return err
	}
	missing := e.worker.Missing().Count
	head := e.indexer.Status().ChainHead
	if !s.plain {
		s.log.Info("stopped", "next_block", next, "chain_head", head, "missing", missing)
		return nil
	}
	where := "before the first block"
	if next > e.start {
		where = fmt.Sprintf("at block %s of %s", thousands(next-1), thousands(max(head, next-1)))
	}
	s.out.printf("stopped %s, %s missing\n", where, none(missing))
	return nil
}

// tellIdleStop says that nothing was done.
func (s *service) tellIdleStop() {
	stopped := "stopped before a node answered"
	if why := s.heldBy.Load(); why != nil {
		stopped = "stopped before all was asked that a start needs: " + *why
	}
	if err := s.usedUp(); err != nil {
		stopped = "stopped before all was asked that a start needs: " + err.Error()
	}
	if !s.plain {
		s.log.Info(stopped)
		return
	}
	s.out.printf("%s\n", stopped)
}

// How often progress is told.
const (
	onTerminal = 200 * time.Millisecond
	inLines    = 500 * time.Millisecond
	inLog      = 10 * time.Second
	estimateIn = 5 * time.Second // after the start
)

// tellProgress tells how far it is until ctx ends.
func (s *service) tellProgress(ctx context.Context, e *engine) error {
	every := inLog
	switch {
	case s.out.terminal:
		every = onTerminal
	case s.plain:
		every = inLines
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	estimate := time.NewTimer(estimateIn)
	defer estimate.Stop()
	begin, err := s.mark(ctx)
	if err != nil {
		return err
	}
	told := indexer.Status{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-estimate.C:
			if err := s.tellEstimate(ctx, e, begin); err != nil {
				return err
			}
		case <-tick.C:
			told = s.tellNow(e, told)
		}
	}
}

// tellNow tells how far it is, if that is not as told before.
func (s *service) tellNow(e *engine, told indexer.Status) indexer.Status {
	x, missing := e.indexer.Status(), e.worker.Missing()
	switch {
	case s.plain:
		s.out.progress("%s", progressLine(x, e.start, missing.Count, missing.NextAt, s.held()))
	case x.Next != told.Next && x.Lag() > 0:
		s.log.Info("progress", "next_block", x.Next, "chain_head", x.ChainHead, "blocks_per_second", int(x.Rate+0.5),
			"missing", missing.Count)
	}
	return x
}

// held says what all or some of it waits for; empty if for nothing.
func (s *service) held() string {
	if paced := s.paced(); paced != "" || s.node == nil {
		return paced
	}
	for _, e := range s.node.State() {
		if e.Awaited != nil {
			return fmt.Sprintf("%s: %s", e.Label, rest.Awaited(*e.Awaited))
		}
	}
	return ""
}

// progressLine says how far it is, and what holds it, if anything does.
func progressLine(x indexer.Status, start uint64, missing int, nextAt time.Time, held string) string {
	var parts []string
	switch {
	case !x.HasHead:
		return strings.TrimSuffix("waiting for the node's head · "+held, " · ")
	case x.Next <= start:
		parts = append(parts, "no block yet")
	case x.Lag() > 0 && x.Paused != nil:
		parts = append(parts, fmt.Sprintf("block %s of %s", thousands(x.Next-1), thousands(x.ChainHead)))
	case x.Lag() > 0:
		parts = append(parts, fmt.Sprintf("block %s of %s, %s", thousands(x.Next-1), thousands(x.ChainHead), rate(x.Rate)))
	case x.Lagging:
		parts = append(parts, laggingLine(x))
	default:
		parts = append(parts, fmt.Sprintf("block %s, up to date", thousands(x.Next-1)))
	}
	if held != "" {
		parts = append(parts, held)
	}
	gaps := none(missing) + " missing"
	if !nextAt.IsZero() {
		gaps += ", next retry " + until(nextAt)
	}
	parts = append(parts, gaps)
	if lag := x.Lag(); lag > 0 && x.Rate > 0 && x.Paused == nil {
		parts = append(parts, span(toGo(lag, x.Rate))+" to go")
	}
	switch {
	case x.Paused != nil:
		parts = append(parts, "paused: "+x.Paused.Error())
	case strings.HasPrefix(x.State, "waiting") && !x.Lagging:
		parts = append(parts, x.State)
	}
	return strings.Join(parts, " · ")
}

func toGo(blocks uint64, perSecond float64) time.Duration {
	return time.Duration(min(float64(blocks)/perSecond, 1e9) * float64(time.Second))
}

// A mark is how much there was at one moment.
type mark struct {
	next  uint64
	bytes int64
	at    time.Time
}

func (s *service) mark(ctx context.Context) (mark, error) {
	next, err := s.store.Next(ctx)
	if err != nil {
		return mark{}, err
	}
	bytes, err := s.store.Used(ctx)
	return mark{next, bytes, time.Now()}, err
}

// tellEstimate says what is still to go, if that is a while. The pace so far says
// nothing where calls wait for those of the day.
func (s *service) tellEstimate(ctx context.Context, e *engine, begin mark) error {
	now, err := s.mark(ctx)
	if err != nil {
		return err
	}
	lag, blocks := e.indexer.Status().Lag(), now.next-min(begin.next, now.next)
	if blocks == 0 || lag == 0 || s.paced() != "" || s.paused() != nil {
		return nil
	}
	perSecond := float64(blocks) / now.at.Sub(begin.at).Seconds()
	left := toGo(lag, perSecond)
	if left < estimateIn {
		return nil
	}
	bytes := int64(float64(max(0, now.bytes-begin.bytes)) / float64(blocks) * float64(lag)) // blocks may have been pruned
	free, known := freeDisk(filepath.Dir(s.store.Path()))
	if !s.plain {
		s.log.Info("to go", "blocks", lag, "time", left.Round(time.Second), "bytes", bytes, "bytes_free", free)
		return nil
	}
	text := fmt.Sprintf("to go: %s, about %s and %s", count(lag, "block"), span(left), amount(bytes))
	if known {
		text += fmt.Sprintf("; %s are free on this disk", amount(free))
	}
	s.out.printf("%s\n", text)
	return nil
}

// fileSize is a file's length, 0 if it isn't there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
