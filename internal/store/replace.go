package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// putAside renames what is there of a file. What was not taken into it goes along.
func putAside(path string) (aside string, err error) {
	for _, suffix := range besides {
		if exists(path + suffix) {
			aside = asideName(path, "replaced")
		}
	}
	if aside == "" {
		return "", nil
	}
	for _, suffix := range []string{"-journal", "-wal", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return filepath.Clean(aside), nil
}
