package command

import (
	"context"
	"fmt"

	"gapless/internal/archive"
)

// lake holds the folder of an export against the file, and tells what was found.
func (v *verification) lake(ctx context.Context, db, folder string) error {
	r, err := openFile(ctx, db)
	if err != nil {
		return err
	}
	defer r.Close()
	c := archive.DatasetCheck{Reader: r, Fault: func(what string) {
		v.progress.progress("")
		fmt.Fprintf(v.out, "FAULT  %s\n", what)
	}}
	if v.progress.terminal {
		c.Progress = func(done, total uint64) {
			v.progress.progress("checked %s of %s", thousands(done), count(total, "block"))
		}
		defer v.progress.progress("")
	}
	if err := c.Check(ctx, folder); err != nil {
		return withCode(err)
	}
	fmt.Fprintf(v.out, "checked %s of %s with %s, %s of them row by row against %s\n%s\n",
		count(uint64(c.Files), "file"), count(uint64(c.Ranges), "range"), count(c.Blocks, "block"), thousands(c.Compared), db, count(uint64(c.Faults), "fault"))
	if c.Faults > 0 {
		return &exitError{exitFault, fmt.Errorf("%s in %s", count(uint64(c.Faults), "fault"), folder)}
	}
	return nil
}
