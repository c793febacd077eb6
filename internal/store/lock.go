package store

import (
	"errors"
	"os"
)

// A lock keeps a second writer off a file, across processes. The kernel gives
// it up when the process dies. The lock file stays: removing it would let two
// processes lock two files of one name.
type lock struct{ file *os.File }

func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	if err != nil || !held {
		err = errors.Join(err, f.Close())
		if err == nil {
			err = ErrLocked
		}
		return nil, err
	}
	return &lock{f}, nil
}

// release unlocks first: a process that is being started may have a copy of the
// open file for a moment, which would keep the lock after Close.
func (l *lock) release() error { return errors.Join(unlock(l.file), l.file.Close()) }
