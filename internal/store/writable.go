package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// writable makes sure that the file, its folder, and what SQLite keeps beside
// the file can be written, as far as they are there. SQLite opens a file that
// can't be for reading, fails at the first commit, and may leave a -wal that can
// never be written either.
func writable(path string) error {
	for _, needed := range []string{filepath.Dir(path), path, path + "-wal", path + "-shm", path + ".lock"} {
		if err := access(needed); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrUnwritable, &fs.PathError{Op: "write", Path: needed, Err: err})
		}
	}
	return nil
}
