// Package command is the command line: one file for each command, and the
// wiring of the program. Usage texts are written by hand.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gapless/internal/sanitize"
	"gapless/internal/store"
)

// Exit codes, for scripts.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitIncomplete = 3 // blocks are missing
	exitFault      = 4 // stored data is wrong, or not what it is compared with
	exitUnproved   = 5 // all is there and linked, but checks can't be computed on this chain, or failed
)

// An exitError ends the process with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usagef makes the error of somebody who asked for what can't be done, and
// says what can.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// An app is what all commands share.
type app struct {
	stdout, stderr io.Writer // sanitized
}

// data gives stdout for data, which keeps its bytes but on a terminal.
func (a *app) data() io.Writer {
	if isTerminal(a.stdout) {
		return a.stdout
	}
	return sanitize.Unwrap(a.stdout)
}

// Process is all that the program does: the command that its arguments ask for,
// until that is done or a signal ends it. It returns the exit code.
func Process() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	return Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Main runs the command that args ask for until it is done or ctx ends, and
// returns the exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{&sanitize.Writer{To: stdout}, &sanitize.Writer{To: stderr}}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.report(ctx, root.ExecuteContext(ctx))
}

// report tells of an error and gives the exit code for it.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailed
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
	}
	text := err.Error()
	if code == exitFailed && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		text = "stopped before it was done"
	}
	if errors.Is(err, fs.ErrPermission) && !errors.Is(err, store.ErrUnwritable) { // which has a hint of its own
		text += "\ngive yourself the right to it, or name another"
	}
	if text != "" {
		fmt.Fprintf(a.stderr, "gapless: %s\n", text)
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := a.runCommand("gapless", rootUsage)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "help", Hidden: true, Run: func(c *cobra.Command, args []string) {
		if about, _, err := root.Find(args); err == nil {
			_ = about.Help() // prints
		}
	}})
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(a.stdout, c.Long) })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if bad, ok := errors.AsType[pathError](err); ok {
			return usagef("%w", bad)
		}
		return usagef("%w\n`%s -h` lists the flags", err, c.CommandPath())
	})
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("there is no command %q\n`gapless -h` lists the commands", args[0])
		}
		return nil
	}
	root.AddCommand(
		a.runCommand("run", runUsage), a.demoCommand(), a.statusCommand(), a.gapsCommand(),
		a.retryCommand(), a.skipCommand(), a.pruneCommand(), a.verifyCommand(), a.replayCommand(),
		a.exportCommand(), a.importCommand(), a.digestCommand(), a.diffCommand(),
		a.backupCommand(), a.restoreCommand(), a.completionCommand(), a.manCommand(), a.versionCommand(),
	)
	speakPlainly(root)
	teach(root)
	return root
}

// command makes a command from its usage line, its usage text, and what it
// does with exactly so many arguments.
func (a *app) command(name, usage string, arguments int, do func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Long: strings.TrimPrefix(usage, "\n"),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == arguments {
				return nil
			}
			wanted := count(arguments, "argument")
			if arguments == 0 {
				wanted = "no arguments"
			}
			return usagef("%s takes %s\n`%s -h` shows how", c.Name(), wanted, c.CommandPath())
		},
		PreRunE: func(c *cobra.Command, _ []string) error { return fromEnvironment(c.Flags(), isDB) },
		RunE:    func(c *cobra.Command, args []string) error { return do(c.Context(), args) },
	}
}

const usualDB = "gapless.db"

// dbFlag adds --db to a command that makes no file.
func dbFlag(flags *pflag.FlagSet, db *string) {
	pathFlag(flags, db, "db", usualDB, aDatabase)
}

const rootUsage = `
gapless indexes every block of an EVM chain into one SQLite file, and leaves no gap.

usage:
  gapless [flags]             the same as gapless run
  gapless run [flags]         follow a node's chain into the file, and serve it on this machine
  gapless demo                see it work, without a node: index a chain from a node that fails

  gapless status              how far it is, what is missing, and how the node does
  gapless gaps                the blocks that are missing, and why
  gapless retry N|N-M|all     try missing blocks again now
  gapless skip N --reason R   stop trying a missing block
  gapless replay FILE         answer as the node did, offline, from the file alone
  gapless verify              prove from the file alone that it is whole and right
  gapless export              write the chain as JSON lines, CSV, RLP, Parquet or a canonical SQLite file
  gapless digest              one line that commits to all that the file has of the chain
  gapless diff A B            what differs between two files
  gapless import FILE...      store blocks from archives: JSON lines, era1, or RLP with receipts
  gapless backup OUT          copy the file while it is written to, and prove the copy
  gapless restore BACKUP      put a backup in the place of the file, which is put aside
  gapless prune --below N     delete old blocks, and give their space back
  gapless version             this program's version and those of its parts
  gapless completion SHELL    a script by which bash, zsh, fish or PowerShell completes all this
  gapless man [COMMAND]       a manual page

All of them take --db FILE (gapless.db) where they read or write a file, and -h.
The environment can set --db, and every flag of run: --retry-base is GAPLESS_RETRY_BASE.
Without flags gapless asks the node at http://127.0.0.1:8545, writes gapless.db and
serves http://127.0.0.1:8600. Ctrl-C stops it; started again, it goes on where it was.

exit codes:
  0 done   1 failed   2 not used right   3 blocks are missing   4 stored data is wrong,
  or files differ   5 (verify) whole, but not all that is stored can be proved
`
