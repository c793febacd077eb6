package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gapless/internal/store"
)

const backupUsage = `
Write a copy of the file as it is at one moment, also while gapless run writes to it. It gets its
name once it is proved whole, as by gapless verify, and is then one file with all that is stored,
the missing blocks and the journal too: gapless run --db OUT goes on with it. To put it in the
place of the file, use gapless restore: copied over a file whose -wal is left over, it is damaged.

usage: gapless backup OUT [flags]

  --db FILE    the file to copy (gapless.db)
  --force      replace OUT if it is there
`

func (a *app) backupCommand() *cobra.Command {
	var db string
	var force bool
	c := a.command("backup", backupUsage, 1, func(ctx context.Context, args []string) error {
		out, err := aNewFile.parseAll("OUT", args)
		if err != nil {
			return err
		}
		b := backup{db: db, out: out[0], force: force, stdout: a.stdout, progress: newConsole(a.stderr)}
		return b.run(ctx)
	})
	dbFlag(c.Flags(), &db)
	c.Flags().BoolVar(&force, "force", false, "")
	return c
}

// A backup is one run of backup.
type backup struct {
	db, out  string
	force    bool
	stdout   io.Writer
	progress *console
}

func (b *backup) run(ctx context.Context) error {
	if err := b.mayWrite(); err != nil {
		return err
	}
	r, err := glanceAt(ctx, b.db)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := b.room(r.Path()); err != nil {
		return err
	}
	partial, err := b.newFile()
	if err != nil {
		return err
	}
	err = b.write(ctx, r, partial)
	if ctx.Err() != nil {
		err = errors.New("stopped; there is no backup")
	}
	if err != nil {
		return errors.Join(err, removePartial(partial))
	}
	return nil
}

// mayWrite refuses to overwrite what is there.
func (b *backup) mayWrite() error {
	there, err := os.Stat(b.out)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usagef("%w", err)
	}
	file, err := os.Stat(b.db)
	switch {
	case err == nil && os.SameFile(there, file):
		return usagef("%s is the file itself: name another", b.out)
	case !b.force:
		return usagef("%s is there already; --force replaces it", b.out)
	case fileSize(b.out+"-wal") > 0 || fileSize(b.out+"-journal") > 0:
		return usagef("%s is in use, or was not closed: what is in its -wal or -journal would damage the backup\nname another, and put it in its place with gapless restore", b.out)
	}
	return nil
}

// room fails if there is less on the disk than the copy takes.
func (b *backup) room(path string) error {
	needed := fileSize(path) + fileSize(path+"-wal")
	free, known := freeDisk(filepath.Dir(b.out))
	if known && free < needed {
		return fmt.Errorf("the copy takes up to %s, but %s are free in %s", amount(needed), amount(free), filepath.Dir(b.out))
	}
	return nil
}

// newFile makes an empty file beside the backup, where the copy is made.
func (b *backup) newFile() (string, error) {
	f, err := os.CreateTemp(filepath.Dir(b.out), filepath.Base(b.out)+".partial-")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func removePartial(path string) (err error) {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if gone := os.Remove(path + suffix); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// write copies, proves the copy and gives it its name.
func (b *backup) write(ctx context.Context, r *store.Reader, partial string) error {
	began := time.Now()
	if err := r.Copy(ctx, partial, b.tellCopied); err != nil {
		return err
	}
	copied := time.Now()
	done, err := b.prove(ctx, r, partial)
	if err != nil {
		return err
	}
	if err := b.name(partial, r.Path()); err != nil {
		return err
	}
	fmt.Fprintf(b.stdout, "%s: %s, %s; copied in %s, proved in %s\n", b.out, contents(done), amount(fileSize(b.out)),
		copied.Sub(began).Round(time.Millisecond), time.Since(copied).Round(time.Millisecond))
	return nil
}

func (b *backup) tellCopied(done, total int) {
	if b.progress.terminal {
		b.progress.progress("copied %s of %s", thousands(done), count(total, "page"))
	}
}

// prove checks that the copy is of the same file and keeps all promises.
func (b *backup) prove(ctx context.Context, file *store.Reader, partial string) (done store.Checked, err error) {
	r, err := store.OpenReader(ctx, partial)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	want, missing := file.Identity(ctx)
	got, err := r.Identity(ctx)
	switch {
	case errors.Is(missing, store.ErrNoChain) && errors.Is(err, store.ErrNoChain):
		return store.Checked{From: 1}, nil // no numbers
	case errors.Join(missing, err) != nil:
		return done, errors.Join(missing, err)
	case got.Epoch != want.Epoch:
		return done, errors.New("the file was put aside for another while it was copied; try again")
	}
	v := verification{out: b.progress, progress: b.progress}
	if done, err = v.check(ctx, r); err == nil && done.Faults > 0 {
		err = &exitError{exitFault, fmt.Errorf("%s: there is no backup\n`gapless verify --repair --db %s` has wrong blocks fetched anew",
			count(done.Faults, "fault"), pasted(b.db))}
	}
	return done, err
}

// name gives the copy its name, and the file's mode.
func (b *backup) name(partial, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(partial, info.Mode().Perm()); err != nil {
		return err
	}
	if err := b.mayWrite(); err != nil { // it may have come meanwhile
		return err
	}
	if err := os.Rename(partial, b.out); err != nil {
		return err
	}
	return store.SyncFolder(filepath.Dir(b.out))
}
