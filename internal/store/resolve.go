package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLinked: the file has more than one name.
var ErrLinked = errors.New("the file has more than one name (hard links), and SQLite keeps what was written last beside one of them")

// resolve gives the one path that a file is locked by and that SQLite names a -wal
// by, whatever links lead to it. The file need not be there.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range 40 { // as many as Linux follows
		resolved, missing := filepath.EvalSymlinks(path)
		if !errors.Is(missing, fs.ErrNotExist) {
			return resolved, missing
		}
		folder, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return path, nil // who opens it says what is wrong
		}
		path = filepath.Join(folder, filepath.Base(path))
		to, noLink := os.Readlink(path)
		if noLink != nil {
			return path, nil
		}
		if path = to; !filepath.IsAbs(to) {
			path = filepath.Join(folder, to)
		}
	}
	return "", fmt.Errorf("%s: too many links", path)
}

// single fails with [ErrLinked] if a file has a second name: whoever writes by that
// one does not see this one's -wal.
func single(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && nameCount(path, info) > 1 {
		return ErrLinked
	}
	return nil
}
