package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"gapless/internal/chain"
	"gapless/internal/pause"
	"gapless/internal/store"
)

const verifyUsage = `
Prove from the file alone that it keeps its promises: every block is there or known to be missing,
each with all that is in it, each the parent of the next, and every hash, root and sender
computed again from the data. Writes nothing, unless told to repair or complete; works beside a
running gapless run. Exit code 4 if anything is wrong; after a repair 0 if it is not any more, and 3
if blocks are still missing. Exit code 5, or 3 if blocks are missing too, if nothing else is wrong
but blocks have checks that can't be computed on this chain, which the blocks themselves have to
show, or that failed when --verify warn stored them.

usage: gapless verify [flags]

  --db FILE           the file (gapless.db)
  --from N            the first block to look at; with --from or --to, blocks only and not the file
                      around them (the file's first)
  --to N              the last block to look at (the file's last)
  --repair            if the file is damaged and gapless run does not have it, rebuild its indexes or
                      else write what can be read of it to a new file in its place, and keep the
                      damaged one as FILE.damaged; make blocks that are wrong missing and fetch them anew: through gapless run
                      if it has the file, else from a node; what can't be had stays missing
  --rpc URL           a node for that, as for gapless run (http://127.0.0.1:8545)
  --rpc-header H      'Name: value' to send to it
  --rpc-file FILE     nodes, one URL a line
  --timeout DURATION  how long one request to it may take (10s)
  --complete          keep with each block that all checks were made of it: far below the head, gapless
                      run leaves the senders out
  --lake DIR          hold the folder of an export of Parquet against the file instead: the manifest,
                      the sums of its files, and each row of the blocks that the file has
  --json              print JSON
`

func (a *app) verifyCommand() *cobra.Command {
	var db string
	var between between
	var asJSON, repair, complete bool
	var nodes nodeFlags
	var lake string
	c := a.command("verify", verifyUsage, 0, func(ctx context.Context, _ []string) error {
		v := verification{out: pause.Writer{Context: ctx, To: a.stdout}, json: asJSON, complete: complete, progress: newConsole(a.stderr)}
		var err error
		if v.from, v.to, err = between.bounds(); err != nil {
			return err
		}
		if lake != "" {
			if v.from != nil || v.to != nil || repair || complete || asJSON {
				return usagef("--lake looks at a whole folder: leave out the other flags but --db")
			}
			return v.lake(ctx, db, lake)
		}
		o := options{db: db, onReset: resetStop, level: chain.Auto}
		if _, err := pause.Await(ctx, func() (struct{}, error) { return struct{}{}, nodes.into(&o) }); err != nil {
			return err
		}
		if repair && v.from == nil && v.to == nil {
			if err := a.heal(ctx, db); err != nil {
				return err
			}
		}
		err = v.file(ctx, db)
		completed := a.complete(ctx, db, v.incomplete)
		if !repair || len(v.wrong) == 0 {
			return errors.Join(err, completed)
		}
		repaired := a.repair(ctx, o, v.wrong)
		if v.broken[store.Sound] > 0 {
			return errors.Join(err, completed, repaired) // new indexes did not help
		}
		return errors.Join(repaired, completed)
	})
	dbFlag(c.Flags(), &db)
	nodes.register(c.Flags())
	c.PreRunE = func(c *cobra.Command, _ []string) error { return fromEnvironment(c.Flags(), isNodeFlag) }
	c.Flags().BoolVar(&repair, "repair", false, "")
	c.Flags().BoolVar(&complete, "complete", false, "")
	pathFlag(c.Flags(), &lake, "lake", "", aFolder)
	between.flags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "")
	return c
}

// A verification is one run of the checker, told to a person or a script.
type verification struct {
	from, to *uint64
	out      io.Writer
	json     bool
	complete bool // ask for incomplete
	progress *console

	faults []fault        // for the JSON
	broken map[string]int // faults by promise
	wrong  []uint64       // blocks with faults, in order, each once

	incomplete []uint64 // blocks without faults of which not all checks were made before
}

// A fault is a promise that is not kept, as JSON.
type fault struct {
	Block   uint64 `json:"block_number"`
	Promise string `json:"promise"`
	What    string `json:"what"`
}

// file checks the file and tells what was found.
func (v *verification) file(ctx context.Context, db string) error {
	r, err := openFile(ctx, db)
	if err != nil {
		return err
	}
	defer r.Close()
	done, err := v.check(ctx, r)
	if err != nil {
		return err
	}
	if v.json {
		err = v.printJSON(done)
	} else {
		v.print(done)
	}
	if err == nil {
		err = concludeProof(done, db)
	}
	return err
}

// concludeProof gives the outcome its exit code.
func concludeProof(done store.Checked, db string) error {
	unproved := max(done.NotComputable, done.KnownWrong)
	switch {
	case done.Faults > 0:
		return &exitError{exitFault, fmt.Errorf("%s in %s", count(done.Faults, "fault"), db)}
	case unproved == 0:
		return nil
	case done.Missing > 0:
		return &exitError{exitIncomplete, fmt.Errorf("%s missing from %s, and not all that is stored can be proved", are(int(done.Missing), "block"), db)}
	}
	return &exitError{exitUnproved, fmt.Errorf("%s is whole and linked, but %s checks that can't be computed on this chain, or failed",
		db, have(unproved, "block"))}
}

func (v *verification) check(ctx context.Context, r *store.Reader) (store.Checked, error) {
	c := store.Checker{From: v.from, To: v.to, Fault: v.found}
	if v.complete {
		c.Incomplete = func(number uint64) { v.incomplete = append(v.incomplete, number) }
	}
	if v.progress.terminal {
		c.Progress = func(done, total uint64) {
			v.progress.progress("checked %s of %s", thousands(done), count(total, "block"))
		}
	}
	done, err := c.Check(ctx, r)
	if v.progress.terminal {
		v.progress.progress("")
	}
	return done, err
}

// found tells of a fault at once, or keeps it for the JSON.
func (v *verification) found(f store.Fault) {
	if v.broken == nil {
		v.broken = make(map[string]int)
	}
	v.broken[f.Promise]++
	if at, known := slices.BinarySearch(v.wrong, f.Number); f.Promise != store.Sound && !known {
		v.wrong = slices.Insert(v.wrong, at, f.Number)
	}
	if v.json {
		v.faults = append(v.faults, fault{f.Number, f.Promise, f.What})
		return
	}
	v.progress.progress("")
	fmt.Fprintf(v.out, "FAULT  %s\n", f)
}

// print says what was proved.
func (v *verification) print(done store.Checked) {
	if done.To+1 == done.From {
		fmt.Fprintln(v.out, "there are no blocks to check")
		return
	}
	fmt.Fprintf(v.out, "checked block %s to %s:\n", thousands(done.From), thousands(done.To))
	if v.from == nil && v.to == nil {
		v.line(store.Sound, "SQLite finds its own pages, indexes and constraints whole")
	}
	v.line(store.Coverage, "%s: %s stored, %s missing, none in both or in neither",
		count(done.To+1-done.From, "number"), thousands(done.Blocks), none(int(done.Missing)))
	v.line(store.Whole, "%s and %s, as many as their blocks say", count(done.Transactions, "transaction"), count(done.Logs, "log"))
	v.line(store.Linked, "%s to the parent's hash", count(done.Links, "link"))
	v.line(store.Verified, "hashes, roots, bloom and senders of %s computed again", count(done.Blocks, "block"))
	for _, e := range done.Exempt {
		v.line("", "%s can't be computed on this chain from block %s on: %s", e, thousands(e.From), count(e.Blocks, "block"))
	}
	if done.Incomplete > 0 && !v.complete {
		v.line("", "%s a check that was made only now: --complete keeps that", have(done.Incomplete, "block"))
	}
	if done.KnownWrong > 0 {
		v.line("", "%s stored although wrong, as the file says", are(int(done.KnownWrong), "block"))
	}
	for _, check := range slices.Sorted(maps.Keys(done.Wrong)) {
		v.line("", "  %s failed: %s", check, count(done.Wrong[check], "block"))
	}
	fmt.Fprintf(v.out, "%s\n", count(done.Faults, "fault"))
}

// line tells of a promise: that it is kept, or how often it is not.
func (v *verification) line(promise, kept string, args ...any) {
	text := fmt.Sprintf(kept, args...)
	if n := v.broken[promise]; n > 0 {
		text = "BROKEN: " + count(n, "fault")
	}
	fmt.Fprintf(v.out, "  %-9s %s\n", promise, text)
}

// verified is what verify prints as JSON.
type verified struct {
	From          *uint64 `json:"from,omitempty"` // absent if there are no blocks
	To            *uint64 `json:"to,omitempty"`
	Blocks        uint64  `json:"blocks"`
	Missing       uint64  `json:"missing"`
	Transactions  uint64  `json:"transactions"`
	Logs          uint64  `json:"logs"`
	Links         uint64  `json:"links"`
	NotComputable uint64  `json:"not_computable"`
	KnownWrong    uint64  `json:"known_wrong"`
	Incomplete    uint64  `json:"incomplete"` // blocks that have a check that was made only now
	Faults        []fault `json:"faults"`

	Exempt      []exempt          `json:"not_computable_checks,omitempty"` // of NotComputable
	WrongChecks map[string]uint64 `json:"failed_checks,omitempty"`         // of KnownWrong: blocks by check
}

// An exempt is a check that can't be computed on the chain, as JSON.
type exempt struct {
	Check  string `json:"check"`
	About  string `json:"about,omitempty"` // a transaction type, a key, or what objects lack
	From   uint64 `json:"from_block"`
	Blocks uint64 `json:"blocks"`
}

func (v *verification) printJSON(done store.Checked) error {
	doc := verified{
		Blocks: done.Blocks, Missing: done.Missing, Transactions: done.Transactions, Logs: done.Logs, Links: done.Links,
		NotComputable: done.NotComputable, KnownWrong: done.KnownWrong,
		Incomplete: done.Incomplete, Faults: v.faults,
	}
	for _, e := range done.Exempt {
		doc.Exempt = append(doc.Exempt, exempt{e.Check.String(), e.About, e.From, e.Blocks})
	}
	for check, blocks := range done.Wrong {
		if doc.WrongChecks == nil {
			doc.WrongChecks = make(map[string]uint64)
		}
		doc.WrongChecks[check.String()] = blocks
	}
	if doc.Faults == nil {
		doc.Faults = []fault{}
	}
	if done.To+1 != done.From {
		doc.From, doc.To = &done.From, &done.To
	}
	return printJSON(v.out, doc)
}

// printJSON writes a document for a script or a person.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
