package command

import (
	"context"
	"errors"

	"gapless/internal/store"
)

// reindex has SQLite make the indexes anew if it finds the file damaged. Whether
// that helped, and what else is wrong, shows when the file is checked.
func (a *app) reindex(ctx context.Context, db string) error {
	damaged, err := isDamaged(ctx, db)
	if err != nil || !damaged {
		return err
	}
	out := newConsole(a.stderr)
	err = change(ctx, db, func(*client) error {
		return errors.New("gapless run has the file; stop it and repair again")
	}, func(s *store.Store) error { return s.Reindex(ctx) })
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		out.printf("the file is damaged, and its indexes were not rebuilt: %s\n", err)
	default:
		out.printf("the file was damaged, and its indexes were rebuilt\n")
	}
	return nil
}

func isDamaged(ctx context.Context, db string) (damaged bool, err error) {
	r, err := openFile(ctx, db)
	if err != nil {
		return false, err
	}
	defer r.Close()
	err = r.Integrity(ctx, func(string) { damaged = true })
	return damaged, err
}
