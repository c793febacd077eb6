//go:build unix

package store

import "golang.org/x/sys/unix"

// access says why a file or folder can't be written. It does not open it: to
// close a file takes all locks on it from the process.
func access(path string) error { return unix.Access(path, unix.W_OK) }

// readable says why a file can't be read, which SQLite does not tell.
func readable(path string) error { return unix.Access(path, unix.R_OK) }
