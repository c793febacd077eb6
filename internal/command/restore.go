package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gapless/internal/store"
)

const restoreUsage = `
Put a copy of a backup in the place of the file, once it is proved whole, as by gapless verify. The
file that was there is put aside, with what SQLite keeps beside it; no -wal of it is left, which
would damage the backup. gapless run must not have the file open.

usage: gapless restore BACKUP [flags]

  --db FILE    the file to replace (gapless.db)
`

func (a *app) restoreCommand() *cobra.Command {
	var db string
	c := a.command("restore", restoreUsage, 1, func(ctx context.Context, args []string) error {
		from, err := aDatabase.parseAll("BACKUP", args)
		if err != nil {
			return err
		}
		return a.restore(ctx, from[0], db)
	})
	pathFlag(c.Flags(), &db, "db", usualDB, aNewFile)
	return c
}

func (a *app) restore(ctx context.Context, from, db string) error {
	there, err := os.Stat(db)
	if given, failed := os.Stat(from); err == nil && failed == nil && os.SameFile(given, there) {
		return usagef("%s is the file itself: name a backup", from)
	}
	r, err := openFile(ctx, from)
	if err != nil {
		return err
	}
	defer r.Close()
	b := backup{db: from, out: db, stdout: a.stdout, progress: newConsole(a.stderr)}
	if err := b.room(r.Path()); err != nil {
		return err
	}
	partial, err := b.newFile()
	if err != nil {
		return err
	}
	err = b.replace(ctx, r, partial)
	if ctx.Err() != nil {
		err = errors.New("stopped; nothing was restored")
	}
	if err != nil {
		return errors.Join(err, removePartial(partial))
	}
	return nil
}

// replace copies, proves the copy and puts it in the file's place.
func (b *backup) replace(ctx context.Context, r *store.Reader, partial string) error {
	if err := r.Copy(ctx, partial, b.tellCopied); err != nil {
		return err
	}
	done, err := b.prove(ctx, r, partial)
	if e, ok := errors.AsType[*exitError](err); ok && e.code == exitFault {
		return &exitError{exitFault, fmt.Errorf("%s: nothing was restored\n`gapless verify --db %s` tells what is wrong with the backup",
			count(done.Faults, "fault"), pasted(b.db))}
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(r.Path())
	if err != nil {
		return err
	}
	if err := os.Chmod(partial, info.Mode().Perm()); err != nil {
		return err
	}
	aside, err := store.Replace(b.out, partial)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: stop it first", err)
	}
	if err != nil {
		return withHint(err)
	}
	if aside != "" {
		fmt.Fprintf(b.stdout, "put aside: %s\n", aside)
	}
	fmt.Fprintf(b.stdout, "%s: %s, %s\n", b.out, contents(done), amount(fileSize(b.out)))
	return store.SyncFolder(filepath.Dir(b.out))
}

// contents says in short what a file has.
func contents(done store.Checked) string {
	if done.To+1 == done.From {
		return "no block yet"
	}
	return fmt.Sprintf("block %s to %s, %s missing", thousands(done.From), thousands(done.To), none(int(done.Missing)))
}
