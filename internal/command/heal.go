package command

import (
	"context"
	"errors"

	"gapless/internal/store"
)

// heal makes a file that SQLite finds damaged sound again, as SQLite's documentation
// advises (https://sqlite.org/recovery.html): its indexes are made anew, and if that
// does not help, what can be read is written to a new file. What is wrong or gone
// then shows when the file is checked.
func (a *app) heal(ctx context.Context, db string) error {
	damaged, err := isDamaged(ctx, db)
	if err != nil || !damaged {
		return err
	}
	out := newConsole(a.stderr)
	if err := reindex(ctx, db); errors.Is(err, errInUse) {
		out.printf("the file is damaged, and was not healed: %s\n", err)
		return nil
	} else if damaged, checked := isDamaged(ctx, db); err == nil && checked == nil && !damaged {
		out.printf("the file was damaged, and its indexes were rebuilt\n")
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	aside, err := store.Recover(ctx, db)
	if err != nil {
		return explainOpen(err, db)
	}
	out.printf("the file was damaged: what can be read of it was written to a new one, and the damaged one is %s now\n", aside)
	return nil
}

var errInUse = errors.New("gapless run has the file; stop it and repair again")

func reindex(ctx context.Context, db string) error {
	return change(ctx, db, func(*client) error { return errInUse }, func(s *store.Store) error { return s.Reindex(ctx) })
}

func isDamaged(ctx context.Context, db string) (damaged bool, err error) {
	r, err := openFile(ctx, db)
	if err == nil {
		err = errors.Join(r.Integrity(ctx, func(string) { damaged = true }), r.Close())
	}
	if errors.Is(err, store.ErrCorrupt) {
		return true, nil
	}
	return damaged, err
}
