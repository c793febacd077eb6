//go:build unix

package process_test

import (
	"strconv"
	"syscall"
)

// becomeUser gives the process another user id, and no group but that. Only root
// can.
func becomeUser(id string) error {
	if id == "" {
		return nil
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(n); err != nil {
		return err
	}
	return syscall.Setuid(n)
}
