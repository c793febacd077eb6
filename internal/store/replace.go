package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Replace puts the file at path aside, with all that SQLite keeps beside it, and
// gives another file its name, which is whole and in the same folder. It returns
// where the old one is, empty if there was none. It fails with [ErrLocked] if
// somebody has the file open for writing; who reads it goes on with the old one.
func Replace(path, by string) (aside string, err error) {
	if path, err = resolve(path); err != nil {
		return "", err
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return "", fmt.Errorf("replace %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if aside, err = putAside(path); err != nil {
		return "", fmt.Errorf("replace %s: %w", path, err)
	}
	return aside, os.Rename(by, path)
}

// putAside renames what is there of a file.
func putAside(path string) (aside string, err error) {
	if !slices.ContainsFunc(besides[:], func(ending string) bool { return exists(path + ending) }) {
		return "", nil
	}
	aside = asideName(path, "replaced")
	return aside, rename(path, aside)
}
