//go:build unix

package store

import (
	"os"
	"syscall"
)

// nameCount is how many names a file has.
func nameCount(_ string, info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}
