//go:build unix

package store_test

import (
	"errors"
	"syscall"
)

// dropRights makes this process one of nobody.
func dropRights() error {
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
}
