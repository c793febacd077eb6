package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"gapless/internal/api/rest"
	"gapless/internal/store"
)

const statusUsage = `
Tell how far the index is: head, lag, rate, about what the file will take, how many blocks are
missing, which of them is the trouble, and how the node does; from the running gapless run, or else
from the file alone.

usage: gapless status [flags]

  --db FILE    the file (gapless.db)
  --json       print JSON, as /api/v1/status has it
  --report     print Markdown for a bug report, without paths, hosts and keys
  --ready      print nothing, and end with exit code 1 and the reason unless gapless run has the
               file open, follows the node and can write
  --login      print the URL by which a browser may retry and skip blocks; keep it to yourself
`

func (a *app) statusCommand() *cobra.Command {
	var db string
	var asJSON, report, ready, login bool
	c := a.command("status", statusUsage, 0, func(ctx context.Context, _ []string) error {
		switch {
		case asJSON && report:
			return usagef("--json and --report exclude each other")
		case ready && (asJSON || report):
			return usagef("--ready prints nothing, so --json and --report have no use with it")
		case login && (asJSON || report || ready):
			return usagef("--login prints a URL alone, so leave the other flags out")
		case ready:
			return checkReady(ctx, db)
		case login:
			return a.printLogin(db)
		}
		st, err := statusOf(ctx, db)
		switch {
		case err != nil:
			return err
		case asJSON:
			return printJSON(a.stdout, st)
		case report:
			printReport(a.stdout, st)
		default:
			printStatus(a.stdout, st)
		}
		return nil
	})
	dbFlag(c.Flags(), &db)
	c.Flags().BoolVar(&asJSON, "json", false, "")
	c.Flags().BoolVar(&report, "report", false, "")
	c.Flags().BoolVar(&ready, "ready", false, "")
	c.Flags().BoolVar(&login, "login", false, "")
	return c
}

// printLogin prints the URL that carries the token of the process that has the
// file. It is told on a terminal only, or when it is asked for.
func (a *app) printLogin(db string) error {
	n, ok := readNotice(db)
	if !ok || n.Address == "" {
		return fmt.Errorf("no gapless run serves %s, or its .lock file can't be read: only its owner may", db)
	}
	fmt.Fprintln(a.stdout, n.login(n.Token))
	return nil
}

// checkReady fails if the index can't be relied on now to be where the chain is.
func checkReady(ctx context.Context, db string) error {
	r, err := glanceAt(ctx, db)
	if err != nil {
		return err
	}
	defer r.Close()
	st, err := statusWithout(ctx, r)
	if err == nil && !st.Ready {
		err = fmt.Errorf("not ready: %s", short(st.NotReady, 200))
	}
	return err
}

// statusOf asks the process that has the file, or else reads the file.
func statusOf(ctx context.Context, db string) (rest.Status, error) {
	r, err := glanceAt(ctx, db)
	if err != nil {
		return rest.Status{}, err
	}
	defer r.Close()
	st, err := statusWithout(ctx, r)
	if err != nil {
		return st, err
	}
	g, err := r.Growth(ctx)
	if errors.Is(err, store.ErrNoChain) || err == nil && !g.Steady() {
		return st, nil
	}
	const day = 24 * time.Hour
	st.Growth = &rest.Growth{Blocks: g.Blocks, Day: g.In(day), Year: g.In(365 * day)}
	return st, err
}

// statusWithout is the status without what takes long to find out.
func statusWithout(ctx context.Context, r *store.Reader) (rest.Status, error) {
	if _, st := findProcess(ctx, r); st != nil {
		return *st, nil
	}
	st, err := rest.FromFile(ctx, r)
	if err != nil {
		return st, err
	}
	trouble := st.Missing.Trouble
	st.State = "no process has the file open, or it does not answer"
	st.NotReady = st.State
	st.Missing, err = rest.CountMissing(ctx, r)
	st.Missing.Trouble = trouble
	return st, err
}

// printStatus prints one thing a line.
func printStatus(w io.Writer, st rest.Status) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-8s  %s\n", name, fmt.Sprintf(format, args...))
	}
	line("file", "%s, %s", st.File.Path, sizeLine(st.File))
	if st.Chain == nil {
		line("chain", "none yet: no node has answered since the file was made")
	} else {
		line("chain", "id %d from block %s, first seen on %s", st.Chain.ID, thousands(st.Chain.Start), short(st.Chain.Client, 60))
	}
	line("head", "%s", headLine(st))
	if st.Process != nil {
		line("lag", "%s", lagLine(st))
		line("rate", "%s", rate(st.Rate))
	}
	if g := st.Growth; g != nil {
		line("growth", "%s a day, %s a year, at the pace of the last %s", amount(g.Day), amount(g.Year), count(g.Blocks, "block"))
	}
	if st.Postponed {
		line("indexes", "by address, topic and token: made when the first sync is done")
	}
	line("missing", "%s", missingLine(st.Missing))
	if t := st.Missing.Trouble; t != nil {
		line("trouble", "block %s: %s", thousands(t.Number), troubleLine(t))
	}
	for _, text := range unprovedLines(st) {
		line("unproved", "%s", text)
	}
	if c := st.Calls; c != nil {
		line("calls", "%s", callsLine(c))
	}
	for _, e := range st.Endpoints {
		line("node", "%s", endpointLine(e, e.Label))
	}
	line("process", "%s", processLine(st))
}

// sizeLine tells of a file and its -wal.
func sizeLine(f rest.File) string {
	text := amount(f.Bytes)
	if f.WAL > 0 {
		text += ", and " + amount(f.WAL) + " in its -wal"
	}
	return text
}

func headLine(st rest.Status) string {
	if st.Head == nil {
		return "no block is stored yet"
	}
	return fmt.Sprintf("block %s of %s, %s", thousands(st.Head.Number), clock(time.Unix(int64(st.Head.Timestamp), 0)), st.Head.Hash)
}

func lagLine(st rest.Status) string {
	if st.Lag == nil {
		return "unknown: the node has not told its head"
	}
	if st.NodeBehind {
		return st.State
	}
	if *st.Lag == 0 {
		return "none: up to date"
	}
	return fmt.Sprintf("%s behind block %s", count(*st.Lag, "block"), thousands(*st.ChainHead))
}

func missingLine(m rest.Missing) string {
	if m.Count == 0 {
		return "none"
	}
	text := count(m.Count, "block")
	if m.Skipped > 0 {
		text += fmt.Sprintf(", %s of them skipped", thousands(m.Skipped))
	}
	if !m.Oldest.IsZero() {
		text += fmt.Sprintf(", the oldest for %s", span(time.Since(m.Oldest)))
	}
	if !m.NextAt.IsZero() {
		text += ", next retry " + until(m.NextAt)
	}
	return text
}

// unprovedLines say what is not proved of the blocks that are stored.
func unprovedLines(st rest.Status) (lines []string) {
	for _, e := range st.Exempt {
		what := e.Check
		if e.About != "" {
			what += " (" + short(e.About, 60) + ")"
		}
		lines = append(lines, fmt.Sprintf("%s can't be computed on this chain from block %s on: %s", what, thousands(e.From), count(e.Blocks, "block")))
	}
	for _, w := range st.Wrong {
		lines = append(lines, fmt.Sprintf("%s failed, and the block was stored by --verify warn: %s", w.Check, count(w.Blocks, "block")))
	}
	return lines
}

func callsLine(c *rest.Calls) string {
	text := fmt.Sprintf("%s used today, %s left until 00:00 UTC, %s; %s a day are allowed",
		thousands(c.Used), thousands(c.Left), until(c.ResetsAt), thousands(c.Limit))
	if c.Outgrown {
		text += fmt.Sprintf(", too few: the chain grows faster and takes about %s", thousands(c.Needed))
	}
	return text
}

func troubleLine(t *rest.Failed) string {
	text := fmt.Sprintf("%s: %s; %s", t.Class, short(t.Message, 200), tries(t.RetryCount))
	if t.SkippedAt.IsZero() {
		return text + ", next " + until(t.NextRetryAt)
	}
	return text + ", skipped: " + short(t.SkipReason, 100)
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return thousands(n) + " tries"
}

func endpointLine(e rest.Endpoint, name string) string {
	state := "not asked yet"
	switch {
	case e.Up:
		state = "up"
	case e.Error != "":
		state = fmt.Sprintf("down: %s", short(e.Error, 200))
	}
	if !e.Since.IsZero() {
		state += " (for " + span(time.Since(e.Since)) + ")"
	}
	if e.WebSocket {
		state += ", tells new blocks by itself"
	}
	return name + " " + state + learnt(e)
}

// learnt tells what is out of the ordinary about an endpoint.
func learnt(e rest.Endpoint) (text string) {
	if e.Behind {
		text += fmt.Sprintf(", behind at block %s", thousands(e.Head))
	}
	if e.Lowest > 0 {
		text += fmt.Sprintf(", has nothing below block %s", thousands(e.Lowest))
	}
	if e.DisputedAt > 0 {
		text += fmt.Sprintf(", disagrees at block %s", thousands(e.DisputedAt))
	}
	if e.Awaited != nil {
		text += fmt.Sprintf(", %s", e.Awaited)
	}
	if left := time.Until(e.PausedUntil); left > 0 {
		text += fmt.Sprintf(", asked to be left alone for %s", span(left))
	}
	return text
}

func processLine(st rest.Status) string {
	switch {
	case st.Process == nil:
		return st.State
	case st.Ready:
		return fmt.Sprintf("%d at %s: %s", st.Process.ID, st.Process.Page, st.State)
	}
	return fmt.Sprintf("%d at %s: not ready: %s", st.Process.ID, st.Process.Page, short(st.NotReady, 200))
}

// What of an error may tell where the node is. Keys never leave package node.
var (
	labels    = regexp.MustCompile(`\S+#(\d+)`)
	addresses = regexp.MustCompile(`(\[[0-9a-fA-F:.]+\]|\b\d{1,3}(\.\d{1,3}){3}\b)(:\d+)?`)
	lookups   = regexp.MustCompile(`lookup \S+`)
)

// hide takes hosts and addresses out of a text.
func hide(text string) string {
	text = labels.ReplaceAllString(text, "node #$1")
	text = lookups.ReplaceAllString(text, "lookup HOST:")
	return addresses.ReplaceAllString(text, "ADDRESS")
}

// printReport prints what helps to find a bug and says nothing of the machine:
// no path and no host.
func printReport(w io.Writer, st rest.Status) {
	fmt.Fprintf(w, "### gapless status\n\n```\n%s", versions())
	fmt.Fprintf(w, "file         %s\n", sizeLine(st.File))
	if c := st.Chain; c != nil {
		fmt.Fprintf(w, "chain        id %d from block %d, %s\n", c.ID, c.Start, short(c.Client, 60))
	}
	fmt.Fprintf(w, "head         %s\n", headLine(st))
	if p := st.Process; p != nil {
		fmt.Fprintf(w, "lag          %s at %s\nprocess      %s, up %s, ready: %t, %s\n",
			lagLine(st), rate(st.Rate), p.Version, span(time.Since(p.StartedAt)), st.Ready, hide(short(st.State, 200)))
	}
	fmt.Fprintf(w, "missing      %s\n", missingLine(st.Missing))
	if t := st.Missing.Trouble; t != nil {
		fmt.Fprintf(w, "trouble      block %d: %s\n", t.Number, hide(troubleLine(t)))
	}
	for _, text := range unprovedLines(st) {
		fmt.Fprintf(w, "unproved     %s\n", text)
	}
	if c := st.Calls; c != nil {
		fmt.Fprintf(w, "calls        %s\n", callsLine(c))
	}
	for i, e := range st.Endpoints {
		fmt.Fprintf(w, "node         %s\n", hide(endpointLine(e, fmt.Sprintf("#%d", i+1))))
	}
	fmt.Fprint(w, "```\n")
}
