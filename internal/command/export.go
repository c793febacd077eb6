package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gapless/internal/archive"
	"gapless/internal/pause"
)

const exportUsage = `
Write blocks of the file in another form. The same blocks give the same bytes. What is written gets
its name only once it is whole; if blocks are missing, nothing is written and the exit code is 3.

usage: gapless export --format FORMAT [flags]

  --format jsonl    JSON lines: the chain, then a line for each block with its transactions,
                    receipts and uncles, as the node answered; with --table an object for each row
  --format csv      the rows of a table; without --table a folder with a file for each table
  --format rlp      the blocks as geth import reads them. It needs the chain's genesis.json too,
                    which can't be made from the index; block 0, if it is in the range, it skips
  --format sqlite   a file like that of gapless run, without journal, missing blocks and times,
                    for tests: the same bytes for the same blocks, however they came, if the same
                    of them are safe and finalized
  --format parquet  all tables as Parquet, in a folder that DuckDB, Spark, Trino and ClickHouse read
                    as one table each. What is there of the same chain stays, and what is new is added

  --table TABLE     blocks, uncles, transactions, logs, withdrawals or transfers
  --receipts FILE   with rlp: write the receipts there, for each block a list of them in RLP, with
                    blooms, as nodes exchange them and era1 files have them
  --range N         with parquet: blocks in a file (10000, or as the folder has it)
  --follow          with parquet: go on, and add each range when it is whole and final
  --confirmations N with --follow: a block is final when N are above it. Unless this is given,
                    the node's word counts, or 64 where it names no finalized block
  --out FILE        where to write; - is standard output (-)
  --force           replace FILE if it is there
  --from N          the first block (the file's first)
  --to N            the last block (the file's last)
  --db FILE         the file to read (gapless.db)
`

func (a *app) exportCommand() *cobra.Command {
	var x export
	var between between
	var c *cobra.Command
	c = a.command("export", exportUsage, 0, func(ctx context.Context, _ []string) error {
		from, to, err := between.bounds()
		if err == nil {
			err = x.check(a)
		}
		if err == nil {
			err = x.checkParquet(c.Flags(), from != nil || to != nil)
		}
		switch {
		case err != nil:
			return err
		case x.follow:
			return x.followParquet(ctx, a)
		}
		return a.selection(ctx, x.db, from, to, "wrote", func(s *archive.Selection) error { return x.write(ctx, a, s) })
	})
	dbFlag(c.Flags(), &x.db)
	between.flags(c.Flags())
	c.Flags().StringVar(&x.format, "format", "", "")
	c.Flags().StringVar(&x.table, "table", "", "")
	pathFlag(c.Flags(), &x.receipts, "receipts", "", aNewFile)
	pathFlag(c.Flags(), &x.out, "out", stdout, checkLater)
	c.Flags().BoolVar(&x.force, "force", false, "")
	c.Flags().Uint64Var(&x.blocks, "range", 0, "")
	c.Flags().BoolVar(&x.follow, "follow", false, "")
	c.Flags().Uint64Var(&x.confirmations, "confirmations", 0, "")
	return c
}

// stdout is the name of standard output.
const stdout = "-"

// An export is what the flags ask for.
type export struct {
	db, format, table, out, receipts string
	force                            bool

	// Of Parquet.
	blocks, confirmations uint64
	follow, confirm       bool // confirm: confirmations are given
}

// check refuses what can't be meant.
func (x *export) check(a *app) error {
	switch x.format {
	case "jsonl", "csv", "rlp", "sqlite", "parquet":
	case "":
		return usagef("say with --format what to write: jsonl, csv, rlp, sqlite or parquet")
	default:
		return usagef("--format is %q: use jsonl, csv, rlp, sqlite or parquet", x.format)
	}
	rows := x.format == "jsonl" || x.format == "csv"
	_, unknown := archive.FindTable(x.table)
	switch {
	case x.table != "" && !rows:
		return usagef("--table goes with the formats jsonl and csv")
	case x.table != "" && unknown != nil:
		return usagef("%w: use blocks, uncles, transactions, logs, withdrawals or transfers", unknown)
	case x.receipts != "" && x.format != "rlp":
		return usagef("--receipts goes with the format rlp")
	case x.receipts == stdout || x.receipts != "" && same(x.receipts, x.out):
		return usagef("--receipts has to name a file of its own")
	case x.format == "parquet" && x.out == stdout:
		return usagef("Parquet is a folder: name it with --out")
	case x.folder() && x.out == stdout:
		return usagef("CSV of all tables is a folder: name it with --out, or choose a table with --table")
	case x.out == stdout && !rows && isTerminal(a.stdout):
		return usagef("this would not look good on a terminal: name a file with --out")
	case same(x.out, x.db) || same(x.receipts, x.db):
		return usagef("%s is the file that is read: name another", x.db)
	}
	if err := x.target().check("--out", x.out); err != nil {
		return usagef("%w", err)
	}
	return x.alone()
}

// target is what --out has to lead to.
func (x *export) target() target {
	switch {
	case x.format == "parquet":
		return aDataset
	case x.folder():
		return aNewFolder
	}
	return aNewFile
}

// alone refuses to put a database beside what SQLite would take for a part of
// it.
func (x *export) alone() error {
	if x.format != "sqlite" || x.out == stdout {
		return nil
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if _, err := os.Lstat(x.out + suffix); err == nil {
			return fmt.Errorf("there is a file %s, which is part of another database, perhaps one in use: name another with --out", x.out+suffix)
		}
	}
	return nil
}

// folder reports whether the output is a folder.
func (x *export) folder() bool { return x.format == "csv" && x.table == "" }

// same reports whether two paths are of one file.
func same(a, b string) bool {
	if pathA, err := filepath.Abs(a); err == nil {
		if pathB, err := filepath.Abs(b); err == nil && pathA == pathB {
			return true
		}
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// write writes what is asked for.
func (x *export) write(ctx context.Context, a *app, s *archive.Selection) (err error) {
	if x.out == stdout {
		s.Progress = nil // the lines may be on the same terminal
	}
	if x.format == "parquet" {
		return x.addParquet(ctx, a, s)
	}
	receipts := new(archive.Output)
	if x.receipts != "" {
		if receipts, err = archive.NewOutput(x.receipts, x.force); err != nil {
			return x.withForce(err)
		}
		defer receipts.Abort()
	}
	if x.out == stdout && x.format != "sqlite" {
		err = x.stream(ctx, s, func(string) (io.Writer, error) { return pause.Writer{Context: ctx, To: a.data()}, nil }, receipts)
	} else {
		err = x.file(ctx, a, s, receipts)
	}
	if err != nil {
		return err
	}
	if x.receipts != "" {
		if err := receipts.Commit(); err != nil {
			return err
		}
	}
	if x.out != stdout {
		fmt.Fprintf(a.stderr, "wrote blocks %s to %s to %s\n", thousands(s.From), thousands(s.To), x.out)
	}
	return nil
}

// file writes a file or folder that gets its name once it is whole.
func (x *export) file(ctx context.Context, a *app, s *archive.Selection, receipts *archive.Output) error {
	var out *archive.Output
	var err error
	switch {
	case x.out == stdout: // SQLite needs a file, which does not get a name
		out, err = archive.NewOutput(filepath.Join(os.TempDir(), "gapless-export"), true)
	case x.folder():
		out, err = archive.NewFolder(x.out)
	default:
		out, err = archive.NewOutput(x.out, x.force)
	}
	if err != nil {
		return x.withForce(err)
	}
	defer out.Abort()
	if x.format == "sqlite" {
		err = s.WriteSQLite(ctx, out.Temp())
	} else {
		err = x.stream(ctx, s, out.Open, receipts)
	}
	switch {
	case err != nil:
		return x.withForce(err)
	case x.out == stdout:
		return copyTo(pause.Writer{Context: ctx, To: a.data()}, out.Temp())
	}
	return out.Commit()
}

// stream writes to what open gives for the name of a file.
func (x *export) stream(ctx context.Context, s *archive.Selection, open func(name string) (io.Writer, error), receipts *archive.Output) error {
	if x.folder() {
		return x.tables(ctx, s, archive.Tables, open)
	}
	if x.table != "" {
		table, err := archive.FindTable(x.table)
		if err != nil {
			return err
		}
		return x.tables(ctx, s, []archive.Table{table}, open)
	}
	out, err := open("")
	if err != nil {
		return err
	}
	if x.format == "jsonl" {
		return s.WriteJSONL(ctx, out)
	}
	var beside io.Writer
	if x.receipts != "" {
		if beside, err = receipts.Open(""); err != nil {
			return err
		}
	}
	return s.WriteRLP(ctx, out, beside)
}

func (x *export) tables(ctx context.Context, s *archive.Selection, tables []archive.Table, open func(name string) (io.Writer, error)) error {
	format := archive.JSONRows
	if x.format == "csv" {
		format = archive.CSVRows
	}
	outs := make([]io.Writer, len(tables))
	for i, t := range tables {
		var err error
		if outs[i], err = open(t.Name + ".csv"); err != nil {
			return err
		}
	}
	return s.WriteTables(ctx, format, tables, outs)
}

func copyTo(out io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return errors.Join(err, f.Close())
}

// withForce adds to the error of a file that is there what can be done.
func (x *export) withForce(err error) error {
	if errors.Is(err, fs.ErrExist) && x.folder() {
		return fmt.Errorf("%w\nname another folder: files of one are not replaced", err)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w\nname another, or replace a file with --force", err)
	}
	return err
}
